/** The running lab as tests see it: kubectl as its administrator, its images, its Traefik. */
import { readFile, writeFile } from 'node:fs/promises';
import { request, type IncomingHttpHeaders } from 'node:http';
import { request as requestByTls } from 'node:https';
import { join } from 'node:path';
import { expect } from 'vitest';
import { runCommand } from '../../bootstrap/lab/command.ts';
import { runKubectl } from '../../bootstrap/lab/kubernetes.ts';
import { layOut, ports } from '../../bootstrap/lab/layout.ts';
import { resolveLabPaths } from '../../bootstrap/lab/paths.ts';
import { readLabSettings } from '../../bootstrap/lab/settings.ts';
import type { Store } from '../../control-plane/src/contract.ts';
import { describeFamilies, parseExposition, type Family } from '../support/exposition.ts';

const paths = resolveLabPaths(process.env);
export const layout = layOut(paths);
export const labContext = { paths, layout, settings: readLabSettings(process.env) };

export function kubectl(...args: string[]): Promise<string> {
  return runKubectl(labContext, args);
}

/** Reads objects as JSON; [] when there are none, or no such namespace. */
export async function listObjects<T>(kind: string, ...args: string[]): Promise<T[]> {
  return (JSON.parse(await kubectl('get', kind, '-o', 'json', ...args)) as { items: T[] }).items;
}

export async function exists(kind: string, name: string, namespace?: string): Promise<boolean> {
  const where = namespace === undefined ? [] : ['-n', namespace];
  return (await kubectl('get', kind, name, ...where, '--ignore-not-found', '-o', 'name')) !== '';
}

/** GET through Traefik, by host name. */
export function visit(host: string, path = '/'): Promise<Answer> {
  return send(host, path);
}

export type Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
};

/**
 * A request through Traefik, by host name; a POST when there is a body.
 *
 * @param way.from an address of loopback: a client of its own
 */
export function send(
  host: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body?: string,
  { tls = false, from = '127.0.0.1' } = {},
): Promise<Answer> {
  const port = tls ? ports.ingressTls : ports.ingress;
  return new Promise((resolve, reject) => {
    const sent = (tls ? requestByTls : request)(
      {
        method: body === undefined ? 'GET' : 'POST',
        host: '127.0.0.1',
        port,
        localAddress: from,
        rejectUnauthorized: false, // Traefik made its certificate itself
        path,
        headers: { ...headers, host: `${host}:${port}` },
        timeout: 60_000,
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => {
          const { statusCode: status = 0, headers: answered } = response;
          resolve({ status, headers: answered, body: text });
        });
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`${host}${path} does not answer`)));
    sent.on('error', reject);
    sent.end(body);
  });
}

/** What a Secret holds, decoded. */
export async function readSecret(
  name: string,
  namespace: string,
): Promise<Readonly<Partial<Record<string, string>>>> {
  const text = await kubectl('get', 'secret', name, '-n', namespace, '-o', 'json');
  const { data } = JSON.parse(text) as { data: Record<string, string> };
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  );
}

/**
 * What each running pod of a component tells Prometheus, asked as its port is by whoever may reach it. Names, types, helps
 * and labels are held to what is recorded of the engine, on which page and dashboard are built (test/monitoring/shops);
 * `GOLDEN_UPDATE=1` records them anew.
 */
export async function readMetrics(store: Store, component: string): Promise<(readonly Family[])[]> {
  const pods = await listObjects<LiveObject>(
    'pods', '-n', store.namespace, '--field-selector=status.phase=Running',
    '-l', `app.kubernetes.io/component=${component}`,
  ); // prettier-ignore
  const texts = await Promise.all(
    pods.map(({ metadata: { name } }) =>
      kubectl('get', '--raw', `/api/v1/namespaces/${store.namespace}/pods/${name}:9117/proxy/metrics`),
    ),
  ); // prettier-ignore
  const record = join(import.meta.dirname, `../monitoring/shops/${store.type}.txt`);
  if (process.env.GOLDEN_UPDATE === '1') await writeFile(record, texts[0] ?? '');
  const recorded = describeFamilies(parseExposition(await readFile(record, 'utf8')));
  return texts.map((text) => {
    const families = parseExposition(text);
    expect(describeFamilies(families)).toEqual(recorded);
    return families;
  });
}

/** Runs a CronJob's work at once, as the README says, and waits for its end. Returns its log. */
export async function runJob(cronJob: string, namespace: string): Promise<string> {
  const job = `${cronJob}-now`;
  await kubectl('create', 'job', `--from=cronjob/${cronJob}`, job, '-n', namespace);
  type Job = { status: { conditions?: { type: string; status: string }[] } };
  const deadline = Date.now() + 120_000;
  for (;;) {
    const text = await kubectl('get', 'job', job, '-n', namespace, '-o', 'json');
    const { conditions = [] } = (JSON.parse(text) as Job).status;
    const isTrue = (type: string): boolean =>
      conditions.some((one) => one.type === type && one.status === 'True');
    if (isTrue('Complete')) return kubectl('logs', '-n', namespace, `job/${job}`);
    if (isTrue('Failed') || Date.now() > deadline)
      throw new Error(`${job}: ${await kubectl('logs', '-n', namespace, `job/${job}`)}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

/** Hides an image from new pods; returns what brings it back. Running pods keep theirs. */
export async function hideImage(name: string): Promise<() => Promise<void>> {
  const ctr = (...args: string[]): Promise<string> =>
    runCommand('ctr', ['--address', layout.containerdSocket, '-n', 'k8s.io', 'images', ...args]);
  const kept = `${name}-hidden-by-a-test`;
  await ctr('tag', '--force', name, kept);
  await ctr('rm', '--sync', name);
  return async () => {
    await ctr('tag', '--force', kept, name);
    await ctr('rm', '--sync', kept);
  };
}

/**
 * What a person would look at when a store is not as it should be, the most telling last.
 *
 * @param log the control plane's log, of which all is left out that only looked
 */
export async function printDiagnostics(log?: string): Promise<void> {
  if (log !== undefined) {
    const lines = (await readFile(log, 'utf8')).split('\n');
    const telling = lines.filter((line) => !/"method":"GET".*"status":[23]/.test(line));
    console.log(`--- control plane\n${telling.slice(-40).join('\n')}`);
  }
  const show = async (title: string, ...args: string[]): Promise<void> => {
    const text = await kubectl(...args).catch((error: unknown) => String(error));
    console.log(`--- ${title}\n${text}`);
  };
  await show('pods', 'get', 'pods', '-A');
  const namespaces = await listObjects<LiveObject>('namespaces');
  const stores = namespaces
    .map(({ metadata }) => metadata.name)
    .filter((name) => name.startsWith('store-'));
  for (const name of stores) {
    await show(
      `warnings of ${name}`,
      ...['get', 'events', '-n', name, '--sort-by=.lastTimestamp'],
      '--field-selector=type=Warning',
    );
    for (const { metadata } of await listObjects<LiveObject>('pods', '-n', name))
      await show(
        `log of ${metadata.name}`,
        ...['logs', '-n', name, metadata.name, '--all-containers', '--tail=15'],
      );
  }
  const applications = await listObjects<LiveObject>('applications', '-n', 'argocd');
  const leaving = [
    ...namespaces,
    ...(await Promise.all(stores.map((name) => listHoldable(name)))).flat(),
  ].filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
  for (const { kind, metadata } of leaving)
    console.log(
      `--- being deleted: ${kind} ${metadata.namespace ?? ''}/${metadata.name}, ` +
        `finalizers ${JSON.stringify(metadata.finalizers ?? [])}`,
    );
  console.log(`--- Applications\n${applications.map(describeApplication).join('\n')}`);
}

function describeApplication({ metadata, status = {} }: LiveObject): string {
  const { sync, health, operationState: operation, conditions = [] } = status;
  return [
    metadata.name,
    ...(metadata.deletionTimestamp === undefined ? [] : ['being deleted']),
    `${sync?.status ?? '-'}@${sync?.revision?.slice(0, 7) ?? '-'}`,
    health?.status ?? '-',
    `${operation?.phase ?? '-'}@${operation?.syncResult?.revision?.slice(0, 7) ?? '-'}`,
    `${operation?.startedAt ?? '-'} to ${operation?.finishedAt ?? '-'}`,
    operation?.message?.slice(0, 200) ?? '',
    ...conditions.map(({ type, message }) => `${type}: ${message.slice(0, 200)}`),
  ].join(' · ');
}

type LiveObject = {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly deletionTimestamp?: string;
    readonly finalizers?: readonly string[];
  };
  /** An Application's. */
  readonly status?: {
    readonly sync?: { readonly status: string; readonly revision?: string };
    readonly health?: { readonly status: string };
    readonly operationState?: {
      readonly phase: string;
      readonly message?: string;
      readonly startedAt: string;
      readonly finishedAt?: string;
      readonly syncResult?: { readonly revision?: string };
    };
    readonly conditions?: readonly { readonly type: string; readonly message: string }[];
  };
};

/** The kinds of a store's objects that something can hold on to. */
function listHoldable(namespace: string): Promise<LiveObject[]> {
  const kinds = 'jobs,pods,persistentvolumeclaims,statefulsets,deployments,services,ingresses';
  return listObjects<LiveObject>(kinds, '-n', namespace);
}
