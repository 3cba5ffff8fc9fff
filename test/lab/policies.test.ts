/**
 * The admission policies against the real API server: each example is submitted as a dry run and goes
 * through, or is refused for the reason that its first line names. The policies are tried under names
 * of their own, in a namespace without Pod Security, which would refuse most examples before them.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ApiException,
  CoreV1Api,
  KubeConfig,
  KubernetesObjectApi,
  PatchStrategy,
} from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { loadPolicies } from '../../control-plane/src/policies.ts';
import { TOP } from '../../control-plane/src/templates.ts';
import { layout } from './lab.ts';

type Manifest = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
    readonly finalizers?: string[];
  };
  readonly spec?: Readonly<Record<string, unknown>>;
};

const FOLDER = join(TOP, 'policies');
const NAMESPACE = `policy-examples-${Date.now().toString(36)}`;
const { policies } = await loadPolicies();

const config = new KubeConfig();
config.loadFromFile(layout.adminKubeconfig);
const objects = KubernetesObjectApi.makeApiClient(config);
const made: Manifest[] = [];

/** There before the policies, which would refuse it. */
const FORMER: Manifest = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'former', namespace: NAMESPACE, finalizers: ['shopyard.dev/test'] },
  spec: { type: 'NodePort', selector: { app: 'former' }, ports: [{ port: 80 }] },
};

type Example = {
  readonly file: string;
  readonly object: Manifest;
  readonly refusal: string;
};

async function readExamples(policy: string, kind: 'pass' | 'fail'): Promise<Example[]> {
  const folder = join(FOLDER, policy, kind);
  const files = (await readdir(folder)).sort();
  return Promise.all(
    files.map(async (file) => {
      const text = await readFile(join(folder, file), 'utf8');
      const [object] = parseObjects(text);
      if (object === undefined) throw new Error(`${folder}/${file} is empty`);
      const [, refusal = ''] = /^# refused: (.+)$/m.exec(text) ?? [];
      return { file, object: place(object), refusal };
    }),
  );
}

function parseObjects(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/** Examples are of a store's namespace; they are tried in one that only this test knows. */
function place(object: Manifest): Manifest {
  if (object.metadata.namespace !== 'store-abc123-tulips') return object;
  return { ...object, metadata: { ...object.metadata, namespace: NAMESPACE } };
}

/** The policy under a name of its own, so that one installed by Argo CD is neither used nor touched. */
function rename(object: Manifest): Manifest {
  const name = `try-${NAMESPACE}-${object.metadata.name}`;
  const bound = object.spec?.policyName === undefined ? {} : { policyName: name };
  return { ...object, metadata: { ...object.metadata, name }, spec: { ...object.spec, ...bound } };
}

async function make(object: Manifest): Promise<void> {
  await objects.create(object);
  made.unshift(object);
}

/** Submits without keeping; null when it went through, else the API server's words. */
async function submit(object: Manifest): Promise<string | null> {
  try {
    await objects.create(object, undefined, 'All');
    return null;
  } catch (error) {
    if (!(error instanceof ApiException)) throw error;
    return String(error.body);
  }
}

beforeAll(async () => {
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } };
  await make(namespace);
  const core = config.makeApiClient(CoreV1Api);
  await vi.waitUntil(
    async () => {
      const { items } = await core.listNamespacedServiceAccount({ namespace: NAMESPACE });
      return items.length > 0;
    },
    { timeout: 30_000, interval: 200 },
  );
  await make(FORMER);
  await objects.patch({
    ...namespace,
    metadata: {
      ...namespace.metadata,
      labels: { 'shopyard.dev/store': 'st_0123456789abcdef', 'shopyard.dev/tenant': 'abc123' },
      annotations: {
        'shopyard.dev/hosts': 'tulips.example',
        'shopyard.dev/images': 'registry.example/shopyard/',
      },
    },
  });
  for (const { content } of policies)
    for (const object of parseObjects(content)) await make(rename(object));
}, 120_000);

afterAll(async () => {
  for (const object of made) await objects.delete(object);
}, 120_000);

test('every policy of the folder is published', async () => {
  const entries = await readdir(FOLDER, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  expect(policies.map(({ name }) => name).sort()).toEqual(folders.sort());
});

test('what was there before a policy may be written about and may end, but not be changed', async () => {
  const { apiVersion, kind, metadata } = FORMER;
  // A merge patch: with the usual one an empty list of finalizers takes none away.
  const patch = (change: Partial<Manifest>): Promise<unknown> =>
    objects.patch(
      { apiVersion, kind, metadata, ...change },
      undefined,
      undefined,
      undefined,
      undefined,
      PatchStrategy.MergePatch,
    );
  // Each try differs: after one from before the policy took hold, the same again would change nothing.
  let tries = 0;
  await vi.waitFor(
    () => {
      tries += 1;
      const spec = { selector: { app: `another-${String(tries)}` } };
      return expect(patch({ spec })).rejects.toThrow('not NodePort');
    },
    { timeout: 30_000, interval: 250 },
  );
  await patch({ metadata: { ...metadata, annotations: { 'shopyard.dev/test': 'noted' } } });
  await objects.delete(FORMER);
  await patch({ metadata: { ...metadata, finalizers: [] } });
  made.splice(made.indexOf(FORMER), 1);
  const core = config.makeApiClient(CoreV1Api);
  await vi.waitFor(
    async () => {
      const { items } = await core.listNamespacedService({ namespace: NAMESPACE });
      expect(items).toEqual([]);
    },
    { timeout: 30_000, interval: 250 },
  );
});

describe.each(policies.map(({ name }) => name))('%s', async (policy) => {
  test.each(await readExamples(policy, 'fail'))('refuses $file', async ({ object, refusal }) => {
    expect(refusal, 'the first line says why it is refused').not.toBe('');
    // A policy takes a moment from being made to being asked.
    await vi.waitFor(async () => expect(await submit(object)).toContain(refusal), {
      timeout: 30_000,
      interval: 250,
    });
  });

  test.each(await readExamples(policy, 'pass'))('lets $file through', async ({ object }) => {
    expect(await submit(object)).toBeNull();
  });
});
