/**
 * What an account may do on the API server, asked of it for every kind that it serves and every verb: as a question
 * (SelfSubjectAccessReview), and as the real request where that does no harm if it is let through.
 */
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { layout } from './lab.ts';

/** Those of RBAC for things; and those that lead to other rights. */
const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
const FURTHER_VERBS = ['*', 'impersonate', 'bind', 'escalate', 'approve', 'sign', 'use'];
/** Asked at once. */
const AT_ONCE = 8;

export type Question = {
  readonly verb: string;
  readonly group: string;
  /** With its subresource: `pods/log`. */
  readonly resource: string;
  /** '': in all of them, or a thing of the cluster. */
  readonly namespace: string;
  readonly name?: string;
};

export function describeQuestion({ verb, group, resource, namespace, name }: Question): string {
  const what = `${verb} ${resource}${group === '' ? '' : `.${group}`}`;
  return `${what}${name === undefined ? '' : ` ${name}`}${namespace === '' ? '' : ` in ${namespace}`}`;
}

/** A kind as the API server's discovery has it. */
type Kind = {
  readonly group: string;
  readonly version: string;
  readonly name: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
};

export type Caller = {
  /** Every verb on every kind that is served, in all namespaces and in each of these; things of the cluster once. */
  listQuestions(namespaces: readonly string[]): readonly Question[];
  /** Those of them that the API server says yes to. */
  findAllowed(questions: readonly Question[]): Promise<readonly Question[]>;
  /** The status of the real request, on a thing that is not there. Not for `deletecollection`. */
  tryReally(question: Question): Promise<number>;
  /** Those that a request can be made of without harm. */
  isHarmless(question: Question): boolean;
  ask(method: string, path: string, body?: object): Promise<Answer>;
  close(): void;
};

type Answer = { readonly status: number; readonly text: string };

/** The bearer of a token, who has been told what the API server serves. */
export async function openCaller(token: string): Promise<Caller> {
  const config = new KubeConfig();
  config.loadFromFile(layout.adminKubeconfig);
  const server = config.getCurrentCluster();
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const ca = await readFile(server?.caFile ?? '');

  const ask = (method: string, path: string, body?: object): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const sent = request(
        new URL(path, server?.server),
        {
          ...{ method, ca, agent, timeout: 30_000 },
          headers: {
            authorization: `Bearer ${token}`,
            'content-type': `application/${method === 'PATCH' ? 'merge-patch+json' : 'json'}`,
          },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (part: string) => (text += part));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        },
      );
      sent.on('timeout', () => sent.destroy(new Error(`${method} ${path}: no answer`)));
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });

  const kinds = await discover(async (path) => {
    const { status, text } = await ask('GET', path);
    if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
    return JSON.parse(text) as unknown;
  });
  const find = ({ group, resource }: Question): Kind | undefined =>
    kinds.find((kind) => kind.group === group && kind.name === resource);

  return {
    ask,
    listQuestions: (namespaces) => {
      const known = new Map(kinds.map((kind) => [`${kind.group}/${kind.name}`, kind]));
      return [...known.values()].flatMap(({ group, name, namespaced, verbs }) =>
        ['', ...(namespaced ? namespaces : [])].flatMap((namespace) =>
          [...new Set([...VERBS, ...FURTHER_VERBS, ...verbs])].map((verb) => ({
            ...{ verb, group, resource: name, namespace },
          })),
        ),
      );
    },
    findAllowed: async (questions) => {
      const answers = await mapAtOnce(questions, async (question) => {
        const { resource: whole, ...rest } = question;
        const [resource, subresource] = whole.split('/');
        const { status, text } = await ask(
          'POST',
          '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
          {
            apiVersion: 'authorization.k8s.io/v1',
            kind: 'SelfSubjectAccessReview',
            spec: { resourceAttributes: { ...rest, resource, subresource } },
          },
        );
        if (status !== 201) throw new Error(`${describeQuestion(question)}: ${status} ${text}`);
        return (JSON.parse(text) as { status: { allowed: boolean } }).status.allowed;
      });
      return questions.filter((_, index) => answers[index]);
    },
    isHarmless: (question) => {
      const kind = find(question);
      return (
        kind?.verbs.includes(question.verb) === true &&
        question.verb in METHODS &&
        // A thing in no namespace is written by no request.
        (!kind.namespaced || question.namespace !== '' || ['list', 'watch'].includes(question.verb))
      );
    },
    tryReally: async (question) => {
      const kind = find(question);
      if (kind === undefined) throw new Error(`${describeQuestion(question)}: no such kind`);
      const method = METHODS[question.verb] ?? '';
      const body = ['POST', 'PUT', 'PATCH'].includes(method) ? {} : undefined;
      return (await ask(method, pathOf(kind, question), body)).status;
    },
    close: () => agent.destroy(),
  };
}

/** How each verb is asked. An empty object is made of nothing: who were let through would be told so. */
const METHODS: Readonly<Record<string, string>> = {
  get: 'GET',
  list: 'GET',
  watch: 'GET',
  create: 'POST',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
};

function pathOf({ group, version, name }: Kind, question: Question): string {
  const { verb, namespace } = question;
  const [resource = '', subresource] = name.split('/');
  const top = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const place = namespace === '' ? '' : `/namespaces/${namespace}`;
  const isOfAll = ['list', 'watch', 'create'].includes(verb) && subresource === undefined;
  const thing = isOfAll ? '' : `/${question.name ?? 'not-there'}`;
  const query = verb === 'watch' ? '?watch=true&timeoutSeconds=1' : '';
  return `${top}${place}/${resource}${thing}${subresource === undefined ? '' : `/${subresource}`}${query}`;
}

async function discover(read: (path: string) => Promise<unknown>): Promise<readonly Kind[]> {
  const { groups } = (await read('/apis')) as {
    groups: { name: string; versions: { groupVersion: string }[] }[];
  };
  const served = [
    { group: '', version: 'v1', path: '/api/v1' },
    ...groups.flatMap(({ name: group, versions }) =>
      versions.map(({ groupVersion }) => ({
        ...{ group, version: groupVersion.split('/')[1] ?? '', path: `/apis/${groupVersion}` },
      })),
    ),
  ];
  const lists = await Promise.all(
    served.map(async ({ group, version, path }) => {
      const { resources } = (await read(path)) as {
        resources: { name: string; namespaced: boolean; verbs: string[] }[];
      };
      return resources.map(({ name, namespaced, verbs }) => ({
        ...{ group, version, name, namespaced, verbs },
      }));
    }),
  );
  return lists.flat();
}

/** A few at a time, in no order of their own. */
export async function mapAtOnce<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const waiting = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of waiting) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}
