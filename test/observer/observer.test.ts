/**
 * The observer with a real Postgres: from what the API server says to rows, stages and events. The
 * API server is scripted (protocol only); its Applications have the shape of recorded ones.
 */
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { watchApplications, watchProjects } from '../../control-plane/src/cluster/applications.ts';
import { connect, type ClusterConnection } from '../../control-plane/src/cluster/connection.ts';
import { createClusterReader } from '../../control-plane/src/cluster/reader.ts';
import { checkLease, takeLease } from '../../control-plane/src/db/leases.ts';
import type { Tx } from '../../control-plane/src/db/open.ts';
import { settle } from '../../control-plane/src/db/queue.ts';
import { DEFAULT_RULES } from '../../control-plane/src/domain/cluster.ts';
import { GUARD_TOLERATED_MS, PASSED_OVER_MS } from '../../control-plane/src/domain/lifecycle.ts';
import { SILENCE_MS } from '../../control-plane/src/domain/placement.ts';
import { writeStatus } from '../../control-plane/src/db/status.ts';
import { hashStoreId, type Action, type StoreSpec } from '../../control-plane/src/domain/store.ts';
import { createLogger } from '../../control-plane/src/logger.ts';
import { createObserver, type Observer } from '../../control-plane/src/reconcile/observe.ts';
import { countWaiting, createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { insertStore, insertTenant, queueOperation } from '../support/stores.ts';
import {
  answer,
  failTimes,
  isList,
  startScriptedApiServer,
  type ScriptedApiServer,
  type ScriptedObject,
} from './scripted-api-server.ts';

const REPOSITORY = 'http://git.example/shopyard.git main';
const APPLICATIONS = '/apis/argoproj.io/v1alpha1/namespaces/argocd/applications';
const PROJECTS = '/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects';
const NAMESPACES = '/api/v1/namespaces';
/** All of it is there in a moment, unless the machine is busy with something else. */
const WITHIN = { timeout: 25_000 };

let database: TestDatabase;
let server: ScriptedApiServer;
let connection: ClusterConnection;
let observer: Observer;
let isRunning: boolean;
let position: number;
let now: Date;
let batches: number;
const unknown: string[] = [];
const ended: string[] = [];

beforeEach(async () => {
  database = await createTestDatabase();
  server = await startScriptedApiServer();
  server.putSilently(PROJECTS, { metadata: { name: 'default' } });
  server.putSilently(APPLICATIONS, { metadata: { name: 'shopyard-root' } });
  connection = connect(server.config);
  position = 0;
  now = new Date();
  unknown.length = 0;
  ended.length = 0;
  batches = 0;
  isRunning = false;
  await insertTenant(database.db);
});

afterEach(async () => {
  if (isRunning) await observer.stop();
  connection.close();
  await server.close();
  await database.close();
});

async function build(holder: string): Promise<Observer> {
  const lease = await takeLease(database.db, 'observer:lab', holder);
  if (lease === null) throw new Error('the lease is taken');
  const settings = { connection, namespace: 'argocd', report: () => undefined, backoffMs: 5 };
  return createObserver({
    db: database.db,
    cluster: 'lab',
    repository: REPOSITORY,
    applications: watchApplications(settings),
    projects: watchProjects(settings),
    reader: createClusterReader(connection, { namespace: 'argocd' }),
    guard: DEFAULT_RULES.guard,
    logger: createLogger('silent'),
    metrics: {
      count: () => undefined,
      set: () => undefined,
      clear: () => undefined,
      record: (name) => {
        if (name === 'batch_size') batches += 1;
      },
    },
    checkLease: (tx) => checkLease(tx, lease),
    deadlineSeconds: 600,
    onUnknownRevision: (sha) => unknown.push(sha),
    onEnd: (_store, end) => ended.push(end),
    clock: () => now,
  });
}

async function start(): Promise<void> {
  observer = await build('one');
  observer.start();
  isRunning = true;
  await expect.poll(() => server.watchers(APPLICATIONS)).toBe(1);
}

/** Puts a commit of the store's current step on the branch, as the writer does. */
async function commit(spec: StoreSpec, action: Action): Promise<string> {
  position += 1;
  const sha = position.toString(16).padStart(40, '0');
  const { db } = database;
  const { operationId } = await row(spec);
  await db
    .insertInto('commits')
    .values({
      repository: REPOSITORY,
      position,
      sha,
      operationId,
      action,
      storeId: spec.id,
      subject: action,
      author: 'shopyard',
      committedAt: now,
    })
    .execute();
  await db
    .updateTable('operations')
    .set({
      state: action === 'purge' ? 'done' : 'waiting',
      action,
      commitSha: sha,
      committedAt: now,
    })
    .where('id', '=', operationId)
    .execute();
  const leaving = action === 'release' || action === 'remove' || action === 'purge';
  await db.transaction().execute((tx) =>
    writeStatus(tx, [
      {
        storeId: spec.id,
        operationId,
        status: leaving ? 'deleting' : 'provisioning',
        stage: action === 'release' ? 'releasing' : action === 'remove' ? 'removing' : 'committed',
        detail: null,
        problem: null,
        commit: { sha, position },
        at: now,
      },
    ]),
  );
  return sha;
}

type Changes = {
  health?: string;
  sync?: string;
  phase?: string;
  message?: string;
  guarded?: boolean;
  deleting?: boolean;
};

function application(spec: StoreSpec, sha: string, changes: Changes = {}): ScriptedObject {
  const { health = 'Healthy', sync = 'Synced', phase = 'Succeeded', message = '' } = changes;
  return {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Application',
    metadata: {
      name: `${spec.tenantId}-${spec.name}`,
      namespace: 'argocd',
      labels: { 'shopyard.dev/store': spec.id },
      annotations:
        changes.guarded === false ? {} : { 'argocd.argoproj.io/sync-options': 'Prune=false' },
      ...(changes.deleting === true ? { deletionTimestamp: '2026-11-21T12:00:00Z' } : {}),
    },
    status: {
      sync: {
        status: sync,
        revision: sha,
        comparedTo: {
          source: {
            path: `charts/${spec.chart}/${spec.chartVersion}`,
            helm: {
              valueFiles: [
                `/clusters/lab/stores/${hashStoreId(spec.id)}/${spec.tenantId}-${spec.name}/values-${spec.chartVersion}.yaml`,
              ],
            },
          },
        },
      },
      health: { status: health },
      reconciledAt: '2026-11-21T12:00:05Z',
      operationState: {
        phase,
        message,
        startedAt: '2026-11-21T12:00:00Z',
        ...(phase === 'Running' ? {} : { finishedAt: '2026-11-21T12:00:04Z' }),
        syncResult: { revision: sha },
      },
    },
  };
}

function putGeneration(spec: StoreSpec, generation: number, isComplete = true): void {
  const namespace = `store-${spec.tenantId}-${spec.name}`;
  server.putSilently(NAMESPACES, { metadata: { name: namespace } });
  server.putSilently(`${NAMESPACES}/${namespace}/configmaps`, {
    metadata: { name: 'shopyard-generation' },
    data: { generation: String(generation) },
  });
  server.putSilently(`/apis/batch/v1/namespaces/${namespace}/jobs`, {
    metadata: { name: 'setup', labels: { 'shopyard.dev/generation': String(generation) } },
    status: { conditions: isComplete ? [{ type: 'Complete', status: 'True' }] : [] },
  });
}

async function row(spec: StoreSpec) {
  return database.db
    .selectFrom('stores')
    .selectAll()
    .where('id', '=', spec.id)
    .executeTakeFirstOrThrow();
}

async function operation(spec: StoreSpec) {
  const { operationId } = await row(spec);
  return database.db
    .selectFrom('operations')
    .selectAll()
    .where('id', '=', operationId)
    .executeTakeFirstOrThrow();
}

const becomes = (spec: StoreSpec, expected: object): Promise<void> =>
  vi.waitFor(async () => expect(await row(spec)).toMatchObject(expected), {
    ...WITHIN,
    interval: 20,
  });
const stepBecomes = (spec: StoreSpec, expected: object): Promise<void> =>
  vi.waitFor(async () => expect(await operation(spec)).toMatchObject(expected), {
    ...WITHIN,
    interval: 20,
  });

describe('a store', () => {
  test('walks its stages to ready, and back to degraded and ready', async () => {
    await start();
    const { spec } = await insertStore(database.db);
    const sha = await commit(spec, 'create');
    server.put(
      APPLICATIONS,
      application(spec, sha, {
        sync: 'OutOfSync',
        health: 'Missing',
        phase: 'Running',
        message: 'waiting for healthy state of apps/StatefulSet/database',
      }),
    );
    await becomes(spec, {
      status: 'provisioning',
      stage: 'syncing',
      detail: 'starting the database',
    });
    putGeneration(spec, 1, false);
    server.put(APPLICATIONS, application(spec, sha));
    await becomes(spec, {
      status: 'provisioning',
      stage: 'verifying',
      detail: 'waiting for the set-up job to finish',
    });
    expect((await row(spec)).deadlineAt).toEqual(
      new Date((await operation(spec)).createdAt.getTime() + 600_000),
    );
    putGeneration(spec, 1);
    now = new Date(now.getTime() + 1000);
    await becomes(spec, {
      status: 'ready',
      stage: 'ready',
      detail: null,
      errorCode: null,
      deadlineAt: null,
      readyAt: now,
    });
    expect(await operation(spec)).toMatchObject({ state: 'done', finishedAt: now });
    const stages = await database.db
      .selectFrom('stages')
      .selectAll()
      .where('storeId', '=', spec.id)
      .orderBy('ordinal')
      .execute();
    expect(stages.map(({ stage }) => stage)).toEqual([
      'requested',
      'committed',
      'seen',
      'syncing',
      'setup',
      'verifying',
      'ready',
    ]);
    expect(stages.every(({ finishedAt }) => finishedAt !== null)).toBe(true);

    server.put(APPLICATIONS, application(spec, sha, { health: 'Degraded' }));
    await becomes(spec, { status: 'degraded', errorCode: 'health_degraded' });
    server.put(APPLICATIONS, application(spec, sha));
    await becomes(spec, { status: 'ready', errorCode: null });
  });

  test('is not ready by an earlier generation’s health', async () => {
    const { spec } = await insertStore(database.db);
    const sha = await commit(spec, 'create');
    server.putSilently(APPLICATIONS, application(spec, sha));
    putGeneration(spec, 1);
    await start();
    await becomes(spec, { status: 'ready' });
    await database.db
      .updateTable('stores')
      .set({ generation: 2, status: 'provisioning', stage: 'requested' })
      .where('id', '=', spec.id)
      .execute();
    await queueOperation(database.db, spec, 'update', 'update');
    const next = await commit(spec, 'update');
    server.put(APPLICATIONS, application(spec, sha, { health: 'Progressing' }));
    await becomes(spec, {
      status: 'provisioning',
      detail: 'waiting for Argo CD to start the sync',
    });
    server.put(APPLICATIONS, application(spec, next));
    await becomes(spec, {
      stage: 'verifying',
      detail: 'waiting for this change to reach the cluster',
    });
    putGeneration(spec, 2);
    now = new Date(now.getTime() + 1000);
    await becomes(spec, { status: 'ready', stage: 'ready' });
  });

  test('whose Application speaks of an unknown commit waits until it is known', async () => {
    const { spec } = await insertStore(database.db);
    await commit(spec, 'create');
    const foreign = 'f'.repeat(40);
    putGeneration(spec, 1);
    server.putSilently(APPLICATIONS, application(spec, foreign));
    await start();
    await becomes(spec, { detail: 'checking which commit Argo CD has applied' });
    expect(unknown).toEqual([foreign]);
    await database.db
      .insertInto('commits')
      .values({
        repository: REPOSITORY,
        position: 2,
        sha: foreign,
        subject: 'by hand',
        author: 'somebody',
        committedAt: now,
        operationId: null,
        action: null,
        storeId: null,
      })
      .execute();
    now = new Date(now.getTime() + 1000);
    await becomes(spec, { status: 'ready' });
  });

  test('fails at its deadline, with a reason, and recovers', async () => {
    await start();
    const { spec } = await insertStore(database.db);
    const sha = await commit(spec, 'create');
    now = new Date((await operation(spec)).createdAt.getTime() + 601_000);
    // By this clock the watch has heard nothing since the start.
    await becomes(spec, { status: 'failed', errorCode: 'cluster_silent' });
    expect(await operation(spec)).toMatchObject({ state: 'failed', errorCode: 'cluster_silent' });
    putGeneration(spec, 1);
    server.put(APPLICATIONS, application(spec, sha));
    await becomes(spec, { status: 'ready', errorCode: null });
    expect(await operation(spec)).toMatchObject({ state: 'done', errorCode: null });
  });

  test('that Argo CD gave up on fails at once, and the diagnosis follows', async () => {
    await start();
    const { spec } = await insertStore(database.db);
    const sha = await commit(spec, 'create');
    const namespace = `store-${spec.tenantId}-${spec.name}`;
    putGeneration(spec, 1, false);
    for (const kind of ['persistentvolumeclaims', 'events'])
      server.putSilently(`${NAMESPACES}/${namespace}/${kind}`, {
        metadata: { name: 'unreadable' },
      });
    server.putSilently(`${NAMESPACES}/${namespace}/pods`, {
      metadata: { name: 'web-1', creationTimestamp: '2026-11-21T12:00:00Z' },
      status: {
        phase: 'Pending',
        containerStatuses: [
          {
            name: 'wordpress',
            image: 'shop:9',
            ready: false,
            restartCount: 0,
            state: { waiting: { reason: 'ImagePullBackOff', message: 'not found' } },
          },
        ],
      },
    });
    server.put(
      APPLICATIONS,
      application(spec, sha, {
        phase: 'Failed',
        sync: 'OutOfSync',
        message: 'one or more synchronization tasks completed unsuccessfully (retried 5 times).',
      }),
    );
    await becomes(spec, {
      status: 'failed',
      errorCode: 'image_pull',
      errorMessage: 'The image shop:9 cannot be pulled: there is no such image.',
    });
  });
});

describe('a delete', () => {
  test('walks release, remove and purge, each when the cluster shows the one before', async () => {
    await start();
    const { spec } = await insertStore(database.db);
    const created = await commit(spec, 'create');
    putGeneration(spec, 1);
    server.put(APPLICATIONS, application(spec, created));
    await becomes(spec, { status: 'ready' });
    await queueOperation(database.db, spec, 'delete', 'release');
    const released = await commit(spec, 'release');
    await becomes(spec, { detail: 'waiting for Argo CD to lift the guard against deletion' });
    expect(await operation(spec)).toMatchObject({ action: 'release', state: 'waiting' });
    server.put(APPLICATIONS, application(spec, released, { guarded: false }));
    await stepBecomes(spec, { action: 'remove', state: 'queued' });
    await commit(spec, 'remove');
    server.put(APPLICATIONS, application(spec, released, { guarded: false, deleting: true }));
    await becomes(spec, {
      stage: 'removing',
      detail: 'Argo CD is removing what the shop is made of',
    });
    server.remove(APPLICATIONS, `${spec.tenantId}-${spec.name}`);
    await becomes(spec, { detail: 'waiting for the namespace to go' });
    expect(await operation(spec)).toMatchObject({ action: 'remove', state: 'waiting' });
    server.removeSilently(NAMESPACES, `store-${spec.tenantId}-${spec.name}`);
    now = new Date(now.getTime() + 1500);
    await stepBecomes(spec, { action: 'purge', state: 'queued' });
    expect(await row(spec)).toMatchObject({ status: 'deleting', stage: 'purging' });
  });

  test('of a store that never reached the cluster waits for its shard', async () => {
    const { spec } = await insertStore(database.db);
    const created = await commit(spec, 'create');
    await queueOperation(database.db, spec, 'delete', 'release');
    const released = await commit(spec, 'release');
    const shard = `shopyard-shard-${hashStoreId(spec.id).slice(0, 1)}`;
    const shardAt = (sha: string): ScriptedObject => ({
      metadata: { name: shard },
      status: { sync: { status: 'Synced', revision: sha } },
    });
    server.putSilently(APPLICATIONS, shardAt(created));
    await start();
    await becomes(spec, {
      detail: 'waiting for Argo CD to work through the commits before the deletion',
    });
    expect(await operation(spec)).toMatchObject({ action: 'release', state: 'waiting' });
    server.put(APPLICATIONS, shardAt(released));
    await stepBecomes(spec, { action: 'remove', state: 'queued' });
  });

  test('whose release Argo CD has passed over goes on to the removal, and back', async () => {
    await start();
    const { spec } = await insertStore(database.db);
    const created = await commit(spec, 'create');
    putGeneration(spec, 1);
    server.put(APPLICATIONS, application(spec, created));
    await becomes(spec, { status: 'ready' });
    await queueOperation(database.db, spec, 'delete', 'release');
    // A sync of the shard was under way, tried its last time on this commit, and failed.
    const gaveUp = (sha: string): ScriptedObject => ({
      metadata: { name: `shopyard-shard-${hashStoreId(spec.id).slice(0, 1)}` },
      status: {
        sync: { status: 'OutOfSync', revision: sha },
        operationState: {
          phase: 'Failed',
          startedAt: '2026-11-21T12:00:00Z',
          finishedAt: '2026-11-21T12:00:04Z',
          syncResult: { revision: sha },
        },
      },
    });
    const setDrift = (driftSha: string | null) =>
      database.db.updateTable('stores').set({ driftSha }).where('id', '=', spec.id).execute();
    await setDrift('d'.repeat(40));
    server.put(APPLICATIONS, gaveUp(await commit(spec, 'release')));
    await becomes(spec, { detail: 'waiting for Argo CD to lift the guard against deletion' });
    now = new Date(now.getTime() + PASSED_OVER_MS + 1);
    const seenBatches = batches;
    await expect.poll(() => batches, WITHIN).toBeGreaterThan(seenBatches + 2);
    expect(await operation(spec)).toMatchObject({ action: 'release', state: 'waiting' });
    await setDrift(null);
    await stepBecomes(spec, { action: 'remove', state: 'queued' });
    const removed = await commit(spec, 'remove');
    now = new Date(now.getTime() + GUARD_TOLERATED_MS + 1);
    await becomes(spec, { detail: 'waiting for Argo CD to remove the Application' });
    expect(await operation(spec)).toMatchObject({ action: 'remove', state: 'waiting' });
    server.put(APPLICATIONS, gaveUp(removed));
    await stepBecomes(spec, { action: 'release', state: 'queued' });
    const released = await commit(spec, 'release');
    server.put(APPLICATIONS, gaveUp(released));
    server.put(APPLICATIONS, application(spec, released, { guarded: false }));
    await stepBecomes(spec, { action: 'remove', state: 'queued' });
  });

  test('passed over is committed again after a minute, however long the store was kept before', async () => {
    const { spec } = await insertStore(database.db);
    const created = await commit(spec, 'create');
    const id = await queueOperation(database.db, spec, 'delete', 'release');
    await database.db
      .updateTable('operations')
      .set({ createdAt: new Date(now.getTime() - 7 * 86_400_000) })
      .where('id', '=', id)
      .execute();
    await commit(spec, 'release');
    const removed = await commit(spec, 'remove');
    const shard = `shopyard-shard-${hashStoreId(spec.id).slice(0, 1)}`;
    server.putSilently(APPLICATIONS, {
      metadata: { name: shard },
      status: { sync: { status: 'OutOfSync', revision: removed } },
    });
    server.putSilently(APPLICATIONS, application(spec, created, { guarded: false }));
    await start();
    await becomes(spec, { detail: 'waiting for Argo CD to remove the Application' });
    now = new Date(now.getTime() + PASSED_OVER_MS + 1);
    await stepBecomes(spec, { action: 'release', state: 'queued' });
    // The second time it waits as long as the removal has taken until then.
    await commit(spec, 'release');
    const again = await commit(spec, 'remove');
    server.put(APPLICATIONS, {
      metadata: { name: shard },
      status: { sync: { status: 'OutOfSync', revision: again } },
    });
    await becomes(spec, { detail: 'waiting for Argo CD to remove the Application' });
    now = new Date(now.getTime() + PASSED_OVER_MS + 1);
    const seenBatches = batches;
    await expect.poll(() => batches, WITHIN).toBeGreaterThan(seenBatches + 2);
    expect(await operation(spec)).toMatchObject({ action: 'remove', state: 'waiting' });
    now = new Date(now.getTime() + 1);
    await stepBecomes(spec, { action: 'release', state: 'queued' });
  });

  test('is not believed from an API server that answers nothing but errors (reliability 9)', async () => {
    const { spec } = await insertStore(database.db);
    const created = await commit(spec, 'create');
    await queueOperation(database.db, spec, 'delete', 'release');
    await commit(spec, 'release');
    server.putSilently(APPLICATIONS, application(spec, created));
    await start();
    await becomes(spec, { detail: 'waiting for Argo CD to lift the guard against deletion' });
    // The Application is there, but LIST now leaves it out and GET fails.
    server.faults.push(
      failTimes(
        1,
        (request) => isList(request) && request.pathname === APPLICATIONS,
        (response) => answer(response, 200, { metadata: { resourceVersion: '9000' }, items: [] }),
      ),
      failTimes(
        3,
        (request) => request.pathname.endsWith('-shop'),
        (response) => answer(response, 500, {}),
      ),
    );
    server.send(APPLICATIONS, JSON.stringify({ type: 'ERROR', object: { code: 410 } }));
    const countAsked = (): number =>
      server.requests.filter((request) => request === `${APPLICATIONS}/abc123-shop`).length;
    await expect.poll(countAsked).toBeGreaterThan(0);
    now = new Date(now.getTime() + 1500);
    await expect.poll(countAsked).toBeGreaterThan(1);
    expect(await operation(spec)).toMatchObject({ action: 'release', state: 'waiting' });
  });
});

test('an emptied cluster degrades stores and deletes nothing (reliability 9)', async () => {
  const { spec } = await insertStore(database.db);
  const sha = await commit(spec, 'create');
  putGeneration(spec, 1);
  server.putSilently(APPLICATIONS, application(spec, sha));
  await start();
  await becomes(spec, { status: 'ready' });
  const before = await operation(spec);
  server.removeSilently(APPLICATIONS, `${spec.tenantId}-${spec.name}`);
  server.send(APPLICATIONS, JSON.stringify({ type: 'ERROR', object: { code: 410 } }));
  await becomes(spec, { status: 'degraded', errorCode: 'application_missing' });
  expect(await operation(spec)).toEqual(before);
});

test('a cluster in another’s place degrades stores, deletes nothing, and is seen to set them up', async () => {
  const { spec } = await insertStore(database.db);
  const sha = await commit(spec, 'create');
  putGeneration(spec, 1);
  server.putSilently(APPLICATIONS, application(spec, sha));
  await start();
  await becomes(spec, { status: 'ready' });
  const before = await operation(spec);
  server.replace();
  server.cut(APPLICATIONS);
  server.cut(PROJECTS);
  await becomes(spec, { status: 'degraded', errorCode: 'application_missing' });
  expect(await operation(spec)).toEqual(before);
  putGeneration(spec, 1);
  server.put(APPLICATIONS, application(spec, sha));
  await becomes(spec, { status: 'ready', errorCode: null });
});

test('a kept store whose time is over while nothing is heard of its cluster stays, until it is', async () => {
  const { spec } = await insertStore(database.db);
  const created = await commit(spec, 'create');
  await queueOperation(database.db, spec, 'delete', 'retire');
  await commit(spec, 'retire');
  const purgeAt = new Date(now.getTime() + 60_000);
  const kept = { status: 'suspended', stage: 'kept', suspended: true, purgeAt } as const;
  await database.db.updateTable('stores').set(kept).where('id', '=', spec.id).execute();
  server.putSilently(APPLICATIONS, application(spec, created));
  await start();
  await expect.poll(() => batches, WITHIN).toBeGreaterThan(0);
  // What it said last is as old as the clock makes it.
  const heard = now;
  now = new Date(purgeAt.getTime() + SILENCE_MS);
  const seenBatches = batches;
  await expect.poll(() => batches, WITHIN).toBeGreaterThan(seenBatches + 1);
  expect(await operation(spec)).toMatchObject({ action: 'retire', state: 'waiting' });
  expect(await row(spec)).toMatchObject({ status: 'suspended', stage: 'kept' });
  now = new Date(heard.getTime() + 61_000);
  await stepBecomes(spec, { action: 'release', state: 'queued' });
  expect(await row(spec)).toMatchObject({ status: 'deleting' });
});

describe('what somebody else moves on while it is judged', () => {
  /** Holds the store while the observer, and whoever is to be quicker, come to wait for it. */
  async function holdDuring(
    spec: StoreSpec,
    work: (tx: Tx, waiting: (count: number) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    await database.db.transaction().execute(async (tx) => {
      await sql`select from stores where id = ${spec.id} for no key update`.execute(tx);
      await work(tx, (count) => expect.poll(() => countWaiting(database.db), WITHIN).toBe(count));
    });
  }

  test('is as its settlement left it: a change that was agreed to comes to its end', async () => {
    const lease = await takeLease(database.db, 'writer', 'one');
    if (lease === null) throw new Error('the lease is taken');
    const { spec, operationId: createId } = await insertStore(database.db);
    const publish = (sha: string, operationId: string, action: Action) =>
      settle(database.db, lease, {
        repository: REPOSITORY,
        commits: [
          {
            ...{ sha, subject: action, author: 'shopyard', at: now },
            ...{ operationId, action, storeId: spec.id },
          },
        ],
        unchanged: [],
        tenants: [],
        at: now,
      });
    const created = 'c'.repeat(40);
    await publish(created, createId, 'create');
    putGeneration(spec, 1);
    server.putSilently(APPLICATIONS, application(spec, created));
    await start();
    await becomes(spec, { status: 'ready' });
    const operationId = await queueOperation(database.db, spec, 'update', 'update');
    await database.db
      .updateTable('operations')
      .set({ state: 'review' })
      .where('id', '=', operationId)
      .execute();
    const merged = 'd'.repeat(40);
    let settled: Promise<number> | undefined;
    await holdDuring(spec, async (_tx, waiting) => {
      settled = publish(merged, operationId, 'update');
      await waiting(1);
      server.put(APPLICATIONS, application(spec, created, { health: 'Degraded' }));
      await waiting(2);
    });
    expect(await settled).toBe(1);
    server.put(APPLICATIONS, application(spec, merged));
    await stepBecomes(spec, { id: operationId, state: 'done' });
    expect(await row(spec)).toMatchObject({ status: 'ready', stage: 'ready' });
  });

  test('has not ended for those who are told of it', async () => {
    await start();
    const { spec } = await insertStore(database.db);
    const sha = await commit(spec, 'create');
    putGeneration(spec, 1, false);
    server.put(APPLICATIONS, application(spec, sha));
    await becomes(spec, { detail: 'waiting for the set-up job to finish' });
    await holdDuring(spec, async (tx, waiting) => {
      putGeneration(spec, 1);
      now = new Date(now.getTime() + 1000);
      await waiting(1);
      await tx.updateTable('operations').set({ state: 'superseded' }).execute();
      await queueOperation(tx, spec, 'update', 'update');
      batches = 0;
    });
    await expect.poll(() => batches, WITHIN).toBeGreaterThan(0);
    expect(ended).toEqual([]);
    await commit(spec, 'update');
    now = new Date(now.getTime() + 601_000);
    await expect.poll(() => ended, WITHIN).toEqual(['failed']);
  });

  test('is judged again, as it is then', async () => {
    await start();
    const { spec } = await insertStore(database.db);
    const sha = await commit(spec, 'create');
    putGeneration(spec, 1);
    server.put(APPLICATIONS, application(spec, sha));
    await becomes(spec, { status: 'ready' });
    server.put(APPLICATIONS, application(spec, sha, { health: 'Degraded' }));
    await becomes(spec, { status: 'degraded' });
    const operationId = await queueOperation(database.db, spec, 'update', 'update');
    await holdDuring(spec, async (tx, waiting) => {
      server.put(APPLICATIONS, application(spec, sha));
      await waiting(1);
      await tx
        .updateTable('operations')
        .set({ state: 'review' })
        .where('id', '=', operationId)
        .execute();
      await tx.updateTable('stores').set({ stage: 'review' }).execute();
    });
    await becomes(spec, { status: 'ready', stage: 'review' });
  });
});

test('a tenant’s project is marked when it is seen', async () => {
  await database.db.insertInto('tenants').values({ id: 'def456', slug: 'other' }).execute();
  await database.db
    .insertInto('tenantClusters')
    .values({ tenantId: 'def456', cluster: 'lab', committedAt: now })
    .execute();
  await start();
  server.put(PROJECTS, { metadata: { name: 'tenant-def456' } });
  await vi.waitFor(
    async () =>
      expect(
        await database.db
          .selectFrom('tenantClusters')
          .select('seenAt')
          .where('tenantId', '=', 'def456')
          .executeTakeFirstOrThrow(),
      ).toEqual({ seenAt: now }),
    WITHIN,
  );
});

test('a store that waits for its tenant’s project says so, and why', async () => {
  await database.db.insertInto('tenants').values({ id: 'ghi789', slug: 'third' }).execute();
  await database.db
    .insertInto('tenantClusters')
    .values({ tenantId: 'ghi789', cluster: 'lab', committedAt: now })
    .execute();
  const { spec } = await insertStore(database.db, { name: 'early', tenantId: 'ghi789' });
  await database.db
    .updateTable('operations')
    .set({ createdAt: new Date(now.getTime() - 20_000) })
    .where('storeId', '=', spec.id)
    .execute();
  await start();
  await becomes(spec, { status: 'provisioning', stage: 'requested', errorCode: 'project_missing' });
  server.put(APPLICATIONS, {
    metadata: { name: 'shopyard-root', namespace: 'argocd' },
    status: {
      sync: { status: 'Unknown' },
      health: { status: 'Healthy' },
      conditions: [{ type: 'ComparisonError', message: 'authentication required' }],
    },
  });
  await becomes(spec, {
    errorCode: 'argocd_error',
    errorMessage: 'Argo CD reports: authentication required',
  });
});

test('a relist in which nothing changed writes nothing', async () => {
  const { spec } = await insertStore(database.db);
  const sha = await commit(spec, 'create');
  putGeneration(spec, 1);
  server.putSilently(APPLICATIONS, application(spec, sha));
  await start();
  await becomes(spec, { status: 'ready' });
  await observer.stop();
  const state = async (): Promise<unknown> => [
    await database.db
      .selectFrom('events')
      .select(({ fn }) => fn.countAll().as('n'))
      .execute(),
    await row(spec),
  ];
  const before = await state();
  now = new Date(now.getTime() + 60_000);
  batches = 0;
  await start();
  await expect.poll(() => batches).toBeGreaterThan(0);
  expect(await state()).toEqual(before);
});

test('who lost the lease writes nothing, and ends (reliability 4)', async () => {
  const { spec } = await insertStore(database.db);
  const sha = await commit(spec, 'create');
  const loser = await build('one');
  await database.db
    .updateTable('leases')
    .set({ expiresAt: new Date(0) })
    .execute();
  await takeLease(database.db, 'observer:lab', 'two');
  const before = await row(spec);
  server.putSilently(PROJECTS, { metadata: { name: 'tenant-abc123' } });
  server.putSilently(APPLICATIONS, application(spec, sha, { phase: 'Running' }));
  await expect(loser.run(new AbortController().signal)).rejects.toMatchObject({
    code: 'lease_lost',
  });
  expect(await row(spec)).toEqual(before);
  // The server hears of a closed connection a little after it was closed.
  await expect.poll(() => server.watchers(APPLICATIONS)).toBe(0);
});

test('many changes are a few transactions, and the table is right', async () => {
  const specs: StoreSpec[] = [];
  for (let n = 0; n < 300; n += 1) {
    const { spec } = await insertStore(database.db, { name: `shop-${n}` });
    specs.push(spec);
  }
  const shas = new Map<string, string>();
  for (const spec of specs) shas.set(spec.id, await commit(spec, 'create'));
  await start();
  for (const spec of specs)
    server.put(
      APPLICATIONS,
      application(spec, shas.get(spec.id) ?? '', {
        phase: 'Running',
        message: 'waiting for healthy state of apps/Deployment/web',
      }),
    );
  await vi.waitFor(async () => {
    const rows = await database.db
      .selectFrom('stores')
      .select('id')
      .where('detail', '=', 'starting the web server')
      .execute();
    expect(rows).toHaveLength(specs.length);
  }, WITHIN);
  const rows = await database.db
    .selectFrom('events')
    .select('xid')
    .distinct()
    .where('type', '=', 'store')
    .execute();
  // One transaction each for the commits above; the changes themselves came in a few.
  expect(rows.length - specs.length).toBeLessThan(30);
});
