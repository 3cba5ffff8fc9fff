/**
 * What the control plane relies on, of Kubernetes' API and of Argo CD. The same tests run on the
 * practice cluster (practice.test.ts) and on real Argo CD in the lab (test/lab/contract.test.ts);
 * how a sync goes is compared with what real Argo CD was recorded to do (traces/, record.ts).
 *
 * Everything is brought about by commits, also what goes wrong.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { readBody } from '../../control-plane/src/cluster/connection.ts';
import { createClusterReader } from '../../control-plane/src/cluster/reader.ts';
import type { ClusterReader } from '../../control-plane/src/cluster/types.ts';
import { diagnose } from '../../control-plane/src/domain/diagnosis.ts';
import {
  extractObservation,
  type Observation,
} from '../../control-plane/src/domain/observation.ts';
import {
  hashStoreId,
  type Action,
  type StoreProblem,
  type StoreSpec,
} from '../../control-plane/src/domain/store.ts';
import type { FileChange } from '../../control-plane/src/git/types.ts';
import { renderTenant } from '../../control-plane/src/render/cluster.ts';
import { createStoreRenderer, type RenderAction } from '../../control-plane/src/render/store.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { exampleCluster } from '../support/example-cluster.ts';
import { exampleStore } from '../support/example-store.ts';
import { APPLICATIONS, followApplications, readEvents } from './read.ts';
import type { Subject } from './subject.ts';
import { tellHealth, tellSyncs, TraceCollector, withoutRetries, type Trace } from './trace.ts';

/** A store that is on the branch. */
const PRESENT = { intent: '', entries: [] };

const object = z.record(z.string(), z.unknown());
type Changes = {
  readonly application?: (spec: z.infer<typeof looseSpec>, metadata: Metadata) => void;
  readonly values?: (values: z.infer<typeof object>) => void;
};
const metadataSchema = z.looseObject({
  annotations: z.record(z.string(), z.string()),
  finalizers: z.array(z.string()).optional(),
});
type Metadata = z.infer<typeof metadataSchema>;
const looseSpec = z.looseObject({
  project: z.string(),
  source: z.looseObject({
    path: z.string(),
    repoURL: z.string(),
    helm: z.looseObject({ valueFiles: z.array(z.string()) }),
  }),
  destination: z.looseObject({ namespace: z.string() }),
  syncPolicy: z.looseObject({ retry: z.looseObject({}) }),
});

async function readTrace(scenario: string): Promise<Trace> {
  const file = join(import.meta.dirname, 'traces', `${scenario}.json`);
  return JSON.parse(await readFile(file, 'utf8')) as Trace;
}

/** Every Application's newest state and the trace so far. */
class Sight {
  readonly #now = new Map<string, Observation>();
  readonly #traces = new Map<string, TraceCollector>();
  readonly #stop = new AbortController();
  readonly #end: Promise<void>;

  constructor(subject: Subject) {
    this.#end = followApplications(subject.connection, this.#stop.signal, (name, state, isGone) => {
      const trace = this.#traces.get(name) ?? new TraceCollector(name);
      this.#traces.set(name, trace);
      if (isGone) {
        this.#now.delete(name);
        trace.end(new Date());
        return;
      }
      const extraction = extractObservation(state);
      if (!extraction.ok) throw new Error(`${name}: ${extraction.message}`);
      this.#now.set(name, extraction.observation);
      trace.add(state, new Date());
    });
  }

  get(name: string): Observation | undefined {
    return this.#now.get(name);
  }

  traceOf(name: string): Trace {
    return (this.#traces.get(name) ?? new TraceCollector(name)).trace;
  }

  /** Waits until the Application is as expected; what it is instead is in the failure. */
  async until(name: string, timeout: number, expected: object): Promise<Observation> {
    return vi.waitFor(
      () => {
        const seen = this.get(name);
        expect(seen).toMatchObject(expected);
        if (seen === undefined) throw new Error(`there is no ${name}`);
        return seen;
      },
      { timeout, interval: 20 },
    );
  }

  async untilGone(name: string, timeout: number): Promise<void> {
    await vi.waitFor(() => expect(this.get(name)).toBeUndefined(), { timeout, interval: 20 });
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#end;
  }
}

/** What stands of each engine's store, on the smallest plan with its options as they come. */
const ENGINES: readonly {
  readonly scenario: string;
  readonly type: string;
  readonly options: StoreSpec['options'];
  readonly pods: readonly string[];
  readonly claims: number;
  readonly apiKeys: readonly string[];
}[] = [
  {
    scenario: 'store',
    type: 'woocommerce',
    options: exampleStore().options,
    pods: ['database', 'web'],
    claims: 3,
    apiKeys: ['consumer_key', 'consumer_secret'],
  },
  {
    scenario: 'medusa',
    type: 'medusa',
    options: { currency: 'EUR', country: 'DE', sample_products: true, worker: false },
    pods: ['backend', 'database', 'redis', 'web'],
    claims: 4,
    apiKeys: ['publishable_key', 'secret_key'],
  },
];

/** The suite. It opens the subject itself, and closes it. */
export function testContract(open: () => Promise<Subject>): void {
  const tenantId = `c${Math.random().toString(36).slice(2, 7).padEnd(5, '0')}`;
  const project = `tenant-${tenantId}`;
  let subject: Subject;
  let sight: Sight;
  let reader: ClusterReader;
  let render: RenderAction;
  let templates: Awaited<ReturnType<typeof loadTemplates>>;

  const name = (scenario: string): string => `${tenantId}-contract-${scenario}`;
  const namespaceOf = (scenario: string): string => `store-${name(scenario)}`;
  const shardOf = (store: StoreSpec): string =>
    `shopyard-shard-${hashStoreId(store.id).slice(0, 1)}`;
  const store = (scenario: string, changes: Partial<Omit<StoreSpec, 'name'>> = {}): StoreSpec =>
    exampleStore({
      id: `st_${scenario.padEnd(16, 'a').slice(0, 16)}`,
      name: `contract-${scenario}`,
      tenantId,
      tenant: 'contract',
      cluster: subject.cluster,
      host: `contract-${scenario}.localhost`,
      chartVersion: versionOf(changes.type ?? 'woocommerce'),
      ...changes,
    });
  const versionOf = (type: string): string =>
    templates.engines.find((engine) => engine.type === type)?.version ?? 'none';

  /** The store of an engine's scenario. */
  const shopOf = (
    { scenario, type, options }: (typeof ENGINES)[number],
    changes: Partial<Omit<StoreSpec, 'name'>> = {},
  ): StoreSpec => store(scenario, { type, chart: type, options, ...changes });

  /** A store's files for an action, edited as somebody might. */
  const write = (spec: StoreSpec, action: Action, changes: Changes = {}): FileChange[] =>
    render({ action, store: spec, operationId: 'op_contract', at: new Date() }, PRESENT).map(
      ({ path, content }) => {
        if (typeof content !== 'string' || parse(content) === null) return { path, content };
        const file = object.parse(parse(content));
        if (file.kind === 'Application' && changes.application !== undefined) {
          const spec = looseSpec.parse(file.spec);
          const metadata = metadataSchema.parse(file.metadata);
          changes.application(spec, metadata);
          return { path, content: stringify({ ...file, spec, metadata }) };
        }
        if (file.storagePlan !== undefined) changes.values?.(file);
        return { path, content: stringify(file) };
      },
    );

  beforeAll(async () => {
    subject = await open();
    reader = createClusterReader(subject.connection, { namespace: 'argocd' });
    sight = new Sight(subject);
    templates = await loadTemplates();
    const address = { repositoryUrl: subject.repositoryUrl, branch: 'main' };
    render = createStoreRenderer(templates.sources, address, exampleCluster);
    await subject.commit('Add the tenant', [writeProject(project, {})]);
    await untilProject(project, 200);
    // It takes its time until its sync is given up: that goes on beside the rest.
    const hide: Changes = {
      values: (values) => {
        values.images = { woocommerce: 'nosuch:9.9.9', mariadb: 'mariadb:1.0.0' };
      },
    };
    const files = write(store('image'), 'create', hide);
    await subject.commit('Create with an image that is not there', files);
    // More than one wait: Argo CD may miss a push that comes while it looks at the one before, and polls.
  }, 300_000);

  // Also what a failed test left: a lab is others', too.
  afterAll(async () => {
    for (const spec of [...ENGINES.map((engine) => shopOf(engine)), store('image')]) {
      const application = `${tenantId}-${spec.name}`;
      if (sight.get(application) === undefined) continue;
      await subject.commit('Release', write(spec, 'release'));
      await sight.until(application, subject.allow(60), { guarded: false });
      await subject.commit('Remove', write(spec, 'remove'));
      await sight.untilGone(application, subject.allow(240));
    }
    const { path } = writeProject(project, {});
    await subject.commit('Remove the tenant', [{ path, content: null }]);
    await untilProject(project, 404);
    await sight.close();
    await subject.close();
  }, 600_000);

  /** The tenant's project, without the guard that a tenant's has. */
  const writeProject = (name: string, spec: object): FileChange => {
    const { path, content } = renderTenant(templates.sources, {
      repositoryUrl: subject.repositoryUrl,
      branch: 'main',
      cluster: subject.cluster,
      tenantId,
      tenant: 'contract',
    });
    const file = z.looseObject({ spec: object }).parse(parse(String(content)));
    const metadata = { name, namespace: 'argocd' };
    return {
      path: path.replace(tenantId, name),
      content: stringify({ ...file, metadata, spec: { ...file.spec, ...spec } }),
    };
  };
  const untilProject = (name: string, status: number): Promise<void> =>
    vi.waitFor(
      async () => {
        const path = `/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects/${name}`;
        expect((await ask(path)).status).toBe(status);
      },
      { timeout: subject.allow(60), interval: 50 },
    );

  const ask = async (path: string): Promise<{ status: number; body: string }> => {
    const answer = await subject.connection.get(path, AbortSignal.timeout(30_000));
    return { status: answer.status, body: await readBody(answer.body, 1 << 26) };
  };
  /** Why it is stuck, as the observer would say. */
  const explain = async (scenario: string): Promise<StoreProblem | null> => {
    const namespace = namespaceOf(scenario);
    return diagnose({
      now: new Date(),
      observation: sight.get(name(scenario)) ?? null,
      shard: null,
      namespace: await reader.readNamespace(namespace),
      pods: await reader.listPods(namespace),
      jobs: await reader.listJobs(namespace),
      claims: await reader.listClaims(namespace),
      events: await reader.listEvents(namespace),
    });
  };
  const page = z.object({
    metadata: z.object({ resourceVersion: z.string(), continue: z.string().optional() }),
    items: z.array(z.object({ metadata: z.object({ name: z.string() }) })),
  });

  test('a pod whose image is not there says so', async () => {
    await vi.waitFor(
      async () => {
        const [pod] = await reader.listPods(namespaceOf('image'));
        expect(pod?.containers[0]?.waiting?.reason).toMatch(/^(ErrImagePull|ImagePullBackOff)$/);
        expect(pod?.job).toBe('secrets');
      },
      { timeout: subject.allow(60), interval: 50 },
    );
  });

  describe('the API server', () => {
    test('lists in pages of one version, each object once, in order', async () => {
      const names: string[] = [];
      const versions = new Set<string>();
      let token = '';
      do {
        const { status, body } = await ask(`${APPLICATIONS}?limit=5&continue=${token}`);
        expect(status).toBe(200);
        const { metadata, items } = page.parse(JSON.parse(body));
        expect(items.length).toBeLessThanOrEqual(5);
        names.push(...items.map((item) => item.metadata.name));
        versions.add(metadata.resourceVersion);
        token = encodeURIComponent(metadata.continue ?? '');
      } while (token !== '');
      expect(names.length).toBeGreaterThanOrEqual(17);
      expect(names).toEqual([...new Set(names)].sort());
      expect(versions.size).toBe(1);
    });

    /**
     * The last bookmark of a watch, followed to its end. The server sends one only when it knows of a
     * newer version than the watch began with; where no Application changes, it learns of one when
     * somebody lists.
     */
    const readLastBookmark = async (): Promise<unknown> => {
      const { body } = await ask(`${APPLICATIONS}?limit=1`);
      const version = page.parse(JSON.parse(body)).metadata.resourceVersion;
      const path = `${APPLICATIONS}?watch=true&allowWatchBookmarks=true&timeoutSeconds=5&resourceVersion=${version}`;
      let bookmark: unknown;
      const listing = setInterval(
        () => void ask(`${APPLICATIONS}?limit=1`).catch(() => undefined),
        250,
      );
      try {
        for await (const event of readEvents(subject.connection, path, AbortSignal.timeout(30_000)))
          if (event.type === 'BOOKMARK') bookmark = event.object;
      } finally {
        clearInterval(listing);
      }
      return bookmark;
    };

    test('ends a watch in time, with a bookmark to go on from', async () => {
      // It is due two seconds before the end, and a server that is short of time leaves it out.
      let bookmark: unknown;
      for (let watch = 1; watch <= 10 && bookmark === undefined; watch += 1)
        bookmark = await readLastBookmark();
      expect(bookmark).toMatchObject({
        kind: 'Application',
        metadata: { resourceVersion: expect.stringMatching(/^\d+$/) as string },
      });
    });

    test('says so when a watch begins too long ago', async () => {
      const path = `${APPLICATIONS}?watch=true&resourceVersion=1&timeoutSeconds=3`;
      const events = readEvents(subject.connection, path, AbortSignal.timeout(30_000));
      const first = await events.next();
      expect(first.value).toMatchObject({ type: 'ERROR', object: { kind: 'Status', code: 410 } });
      await events.return(undefined);
    });

    test.each([
      [404, 'NotFound', `${APPLICATIONS}/none`],
      [404, 'NotFound', '/api/v1/namespaces/none'],
      [404, 'NotFound', '/api/v1/namespaces/none/pods/none/log'],
      [403, 'Forbidden', '/api/v1/namespaces'],
      [403, 'Forbidden', '/api/v1/namespaces/none/services'],
      [403, 'Forbidden', '/api/v1/namespaces/none/secrets'],
      [403, 'Forbidden', '/api/v1/namespaces/none/secrets/store-admin'],
      [400, 'BadRequest', `${APPLICATIONS}?limit=1&continue=bm9uc2Vuc2U`],
    ])('answers %i %s to %s', async (code, reason, path) => {
      const { status, body } = await ask(path);
      expect({ status, body: JSON.parse(body) as unknown }).toMatchObject({
        status: code,
        body: { kind: 'Status', status: 'Failure', reason, code },
      });
    });

    test('lists nothing in a namespace that is not there', async () => {
      const { status, body } = await ask('/api/v1/namespaces/none/pods?limit=500');
      expect({ status, items: page.parse(JSON.parse(body)).items }).toEqual({
        status: 200,
        items: [],
      });
    });
  });

  describe.each(ENGINES)('a $type store', (engine) => {
    const { scenario, type } = engine;
    const LIVE = {
      sync: 'Synced',
      health: 'Healthy',
      operation: { phase: 'Succeeded' },
      conditions: [],
      troubled: [],
    };

    test('is made in the recorded steps, and is live as the observer wants it', async () => {
      const spec = shopOf(engine);
      const sha = await subject.commit('Create', write(spec, 'create'));
      const seen = await sight.until(name(scenario), subject.allow(120), LIVE);
      const recorded = await readTrace(scenario);
      const trace = sight.traceOf(name(scenario));
      expect(tellSyncs(trace)[0]).toEqual(tellSyncs(recorded)[0]);
      expect(tellHealth(trace)).toEqual(['Unknown', 'Missing', 'Healthy', 'Progressing']);
      expect(seen).toMatchObject({
        storeId: spec.id,
        guarded: true,
        deletingSince: null,
        operation: { syncedRevision: sha },
        source: {
          path: `charts/${type}/${versionOf(type)}`,
          valueFiles: [
            `/clusters/${subject.cluster}/stores/${hashStoreId(spec.id)}/${name(scenario)}/values-${versionOf(type)}.yaml`,
          ],
        },
      });
      const compared = await sight.until(name(scenario), subject.allow(20), LIVE);
      await vi.waitFor(
        () => {
          const now = sight.get(name(scenario)) ?? compared;
          expect(now.reconciledAt?.getTime()).toBeGreaterThanOrEqual(
            now.operation?.finishedAt?.getTime() ?? Infinity,
          );
        },
        { timeout: subject.allow(30) },
      );
    });

    test('has its generation, its pods, its claims and two Secrets in its namespace', async () => {
      const namespace = namespaceOf(scenario);
      expect(await reader.readNamespace(namespace)).toEqual({
        name: namespace,
        deletingSince: null,
        remaining: [],
      });
      expect(await reader.readGeneration(namespace)).toEqual({
        configMap: 1,
        setup: { name: 'setup', generation: 1, state: 'complete', scheduled: false, message: '' },
      });
      const pods = await reader.listPods(namespace);
      const running = pods.filter(({ job }) => job === null);
      expect(running.map(({ name: pod }) => pod.split('-')[0]).sort()).toEqual(engine.pods);
      for (const { phase, containers } of running)
        expect({ phase, ready: containers.every(({ ready }) => ready) }).toEqual({
          phase: 'Running',
          ready: true,
        });
      expect((await reader.listClaims(namespace)).map(({ phase }) => phase)).toEqual(
        Array.from({ length: engine.claims }, () => 'Bound'),
      );
      const web = running.find((pod) => pod.name.startsWith('web'))?.name ?? '';
      expect(await reader.readLog(namespace, web)).toMatch(/\S/);
      const secret = z.object({ data: z.record(z.string(), z.base64()) });
      const read = async (key: string): Promise<string[]> => {
        const { body } = await ask(`/api/v1/namespaces/${namespace}/secrets/${key}`);
        return Object.keys(secret.parse(JSON.parse(body)).data).sort();
      };
      expect(await read('store-admin')).toEqual(['email', 'password', 'username']);
      expect(await read('store-api')).toEqual(engine.apiKeys);
      expect((await ask(`/api/v1/namespaces/${namespace}/secrets`)).status).toBe(403);
    });

    test('takes a change of plan in the recorded steps, and keeps its login', async () => {
      const namespace = namespaceOf(scenario);
      const login = `/api/v1/namespaces/${namespace}/secrets/store-admin`;
      const data = z.object({ data: z.unknown() });
      const before = data.parse(JSON.parse((await ask(login)).body));
      const spec = shopOf(engine, { generation: 2, plan: 'medium' });
      const sha = await subject.commit('Change the plan', write(spec, 'update'));
      await sight.until(name(scenario), subject.allow(180), {
        ...LIVE,
        operation: { phase: 'Succeeded', syncedRevision: sha },
      });
      expect(tellSyncs(sight.traceOf(name(scenario)))[1]).toEqual(
        tellSyncs(await readTrace(scenario))[1],
      );
      expect(await reader.readGeneration(namespace)).toMatchObject({
        configMap: 2,
        setup: { generation: 2, state: 'complete' },
      });
      expect(data.parse(JSON.parse((await ask(login)).body))).toEqual(before);
    });

    // One engine stands for the others: their charts have their own tests.
    if (scenario === 'store')
      test('runs nothing while it is suspended, and keeps its claims and Secrets', async () => {
        const namespace = namespaceOf(scenario);
        const claims = await reader.listClaims(namespace);
        const spec = shopOf(engine, { generation: 3, plan: 'medium', suspended: true });
        const sha = await subject.commit('Suspend', write(spec, 'suspend'));
        await sight.until(name(scenario), subject.allow(120), {
          sync: 'Synced',
          operation: { phase: 'Succeeded', syncedRevision: sha },
        });
        expect(await reader.readGeneration(namespace)).toMatchObject({ configMap: 3 });
        await vi.waitFor(
          async () => {
            const pods = await reader.listPods(namespace);
            expect(pods.filter(({ phase }) => /Running|Pending/.test(phase))).toEqual([]);
          },
          { timeout: subject.allow(90), interval: 50 },
        );
        expect(await reader.listClaims(namespace)).toEqual(claims);
        const login = `/api/v1/namespaces/${namespace}/secrets/store-admin`;
        expect((await ask(login)).status).toBe(200);
      });

    // Argo CD's doing alone: the same for every engine.
    if (scenario === 'store')
      test('lives on when its file is removed while it is guarded, or its whole folder', async () => {
        const spec = shopOf(engine, { generation: 2, plan: 'medium' });
        const shard = shardOf(spec);
        const folder = `clusters/${subject.cluster}/apps/${shard.slice(-1)}/`;
        const kept = renderPlaceholder(subject.cluster, shard);
        const removed = await subject.commit('Remove the file', write(spec, 'remove'));
        await sight.until(shard, subject.allow(60), {
          sync: 'OutOfSync',
          comparedRevision: removed,
        });
        expect(sight.get(name(scenario))).toMatchObject({ deletingSince: null, guarded: true });

        await subject.commit('Remove the folder', [{ path: folder, content: null }]);
        const broken = await sight.until(shard, subject.allow(60), {
          sync: 'Unknown',
          conditions: [{ type: 'ComparisonError' }],
        });
        expect(broken.conditions[0]?.message).toContain('app path does not exist');
        expect(sight.get(name(scenario))).toMatchObject({ deletingSince: null, guarded: true });

        await subject.commit('Restore', [
          { path: `${folder}placeholder.yaml`, content: kept },
          ...write(spec, 'update').filter(({ path }) => path.startsWith(folder)),
        ]);
        await sight.until(shard, subject.allow(60), { sync: 'Synced', conditions: [] });
      });

    test('goes when its file is removed after its guard, with everything it had', async () => {
      const spec = shopOf(engine, { generation: 2, plan: 'medium' });
      await subject.commit('Release', write(spec, 'release'));
      await sight.until(name(scenario), subject.allow(60), { guarded: false, deletingSince: null });
      // A file like it that comes with the same commit makes git call it renamed.
      const twin = `clusters/${subject.cluster}/twin-of-${scenario}.yaml`;
      const elsewhere = write(spec, 'release').map((file) => ({ ...file, path: twin }));
      const removed = await subject.commit('Remove', [...write(spec, 'remove'), ...elsewhere]);
      await sight.untilGone(name(scenario), subject.allow(90));
      const trace = sight.traceOf(name(scenario));
      const deletion = trace.steps.filter(({ deleting }) => deleting);
      expect(deletion.at(-1)).toMatchObject({ health: 'Missing', guarded: false });
      expect(await reader.applicationExists(name(scenario))).toBe(false);
      await vi.waitFor(
        async () => expect(await reader.readNamespace(namespaceOf(scenario))).toBeNull(),
        { timeout: subject.allow(30), interval: 50 },
      );
      await sight.until(shardOf(spec), subject.allow(60), {
        sync: 'Synced',
        comparedRevision: removed,
      });
    });
  });

  test('an image that is not there ends a sync in the recorded steps; a new one repairs it', async () => {
    const spec = store('image');
    await sight.until(name('image'), subject.allow(260), {
      operation: { phase: 'Failed' },
      conditions: [{ type: 'SyncError' }],
    });
    // Argo CD has taken the Job and its pod away; why they hung can still be told.
    expect(await explain('image')).toMatchObject({ code: 'image_pull' });
    await subject.commit('Repair', write({ ...spec, generation: 2, attempt: 2 }, 'retry'));
    await sight.until(name('image'), subject.allow(120), {
      sync: 'Synced',
      health: 'Healthy',
      operation: { phase: 'Succeeded' },
    });
    const [failed, repaired] = tellSyncs(await readTrace('image'));
    const syncs = tellSyncs(sight.traceOf(name('image')));
    expect(withoutRetries(syncs[0] ?? [])).toEqual(withoutRetries(failed ?? []));
    expect(syncs[1]).toEqual(repaired);
  }, 600_000);

  test('what Argo CD refuses, it refuses for these reasons', async () => {
    const loose = (edit: Changes['application']): Changes => ({
      application: (spec, metadata) => {
        metadata.annotations = {};
        delete metadata.finalizers;
        edit?.(spec, metadata);
      },
    });
    const repository = 'http://127.0.0.1:9/other.git';
    const refusals: readonly (readonly [string, Changes, object, RegExp])[] = [
      [
        'path',
        loose(({ source }) => (source.path = 'charts/none/1.0.0')),
        { sync: 'Unknown', health: 'Healthy', conditions: [{ type: 'ComparisonError' }] },
        /charts\/none\/1\.0\.0: app path does not exist/,
      ],
      [
        'file',
        loose(({ source }) => (source.helm.valueFiles = ['/none.yaml'])),
        { sync: 'Unknown', conditions: [{ type: 'ComparisonError' }] },
        /Error: open .*\/none\.yaml: no such file or directory/,
      ],
      [
        'schema',
        { ...loose(undefined), values: (values) => (values.plan = 'giant') },
        { sync: 'Unknown', conditions: [{ type: 'ComparisonError' }] },
        /values don't meet the specifications of the schema\(s\) in the following chart\(s\):\nwoocommerce:\n- at '\/plan'/,
      ],
      [
        'project',
        loose((spec) => (spec.project = 'tenant-nosuch')),
        { sync: 'Unknown', health: 'Unknown', conditions: [{ type: 'InvalidSpecError' }] },
        /^Application referencing project tenant-nosuch which does not exist$/,
      ],
      [
        'place',
        loose(({ destination }) => (destination.namespace = 'kube-system')),
        { sync: 'Unknown', conditions: [{ type: 'InvalidSpecError' }] },
        /namespace 'kube-system' do not match any of the allowed destinations in project 'tenant-/,
      ],
      [
        'source',
        loose(({ source }) => (source.repoURL = repository)),
        { sync: 'Unknown', conditions: [{ type: 'InvalidSpecError' }] },
        /^application repo http:\/\/127\.0\.0\.1:9\/other\.git is not permitted in project 'tenant-/,
      ],
      [
        'kind',
        loose((spec) => {
          spec.project = `${project}-poor`;
          spec.syncPolicy.retry = { limit: 1, backoff: { duration: '1s' } };
        }),
        {
          sync: 'OutOfSync',
          operation: { phase: 'Failed', failures: [{ kind: 'Namespace' }] },
          conditions: [{ type: 'SyncError' }],
        },
        /resource :Namespace is not permitted in project tenant-[a-z0-9]{6}-poor/,
      ],
    ];
    const poor = writeProject(`${project}-poor`, { clusterResourceWhitelist: [] });
    await subject.commit('Add a project that allows no namespace', [poor]);
    await untilProject(`${project}-poor`, 200);
    const specs = refusals.map(([scenario, changes]) => ({ spec: store(scenario), changes }));
    await subject.commit(
      'Create what is refused',
      specs.flatMap(({ spec, changes }) => write(spec, 'create', changes)),
    );
    for (const [scenario, , expected, message] of refusals) {
      const seen = await sight.until(name(scenario), subject.allow(90), expected);
      expect(seen.conditions[0]?.message, scenario).toMatch(message);
      expect(await reader.readNamespace(namespaceOf(scenario)), scenario).toBeNull();
    }
    await subject.commit(
      'Remove what was refused',
      specs.flatMap(({ spec }) => write(spec, 'remove')),
    );
    for (const [scenario] of refusals) await sight.untilGone(name(scenario), subject.allow(90));
    await subject.commit('Remove the project', [{ path: poor.path, content: null }]);
    await untilProject(`${project}-poor`, 404);
  }, 600_000);

  /** The placeholder of a shard's folder, as the cluster's layout has it. */
  function renderPlaceholder(cluster: string, shard: string): string {
    return stringify({
      apiVersion: 'argoproj.io/v1alpha1',
      kind: 'AppProject',
      metadata: {
        name: shard,
        namespace: 'argocd',
        annotations: { 'argocd.argoproj.io/sync-options': 'Prune=false' },
      },
      spec: {
        description: 'Keeps this folder from being empty; grants nothing',
        sourceRepos: [],
        destinations: [],
      },
    });
  }
}
