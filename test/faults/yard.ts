/**
 * A yard to break: the API in this process, a Postgres and a git server of its own, and writers as
 * processes that can be killed and stopped. There is no cluster: what an observer would say of it is
 * said here where a test needs it.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { Accepted } from '../../control-plane/src/contract.ts';
import type { KnownCluster } from '../../control-plane/src/clusters.ts';
import { DEFAULT_RULES } from '../../control-plane/src/domain/cluster.ts';
import { readCommitTrailers } from '../../control-plane/src/domain/commit-message.ts';
import type { Action } from '../../control-plane/src/domain/store.ts';
import { startApi, type Api } from '../api/support.ts';
import { createTestRepository, type TestRepository } from '../support/cluster-repository.ts';
import {
  startControlPlaneProcess,
  type ControlPlaneProcess,
} from '../support/control-plane-process.ts';
import { findFreePort } from '../support/free-port.ts';
import { expectSound } from '../support/sound.ts';

type Started = Parameters<typeof startControlPlaneProcess>[0];

/** One commit of the branch, as the yard's git tells it. */
type Commit = {
  readonly sha: string;
  readonly operationId: string | null;
  readonly action: string | null;
};

export type Yard = {
  readonly api: Api;
  readonly repository: TestRepository;
  readonly folder: string;
  /** @param options.remote an address to use instead of the git server's */
  startWriter(
    options?: Pick<Started, 'fault' | 'faultSignal' | 'faultFrom'> & { readonly remote?: string },
  ): Promise<ControlPlaneProcess>;
  /** What the writers logged so far. */
  readLog(): Promise<string>;
  /** Posts a create; throws unless it is accepted. */
  create(name: string): Promise<Accepted>;
  /**
   * Waits until the writer has dealt with everything that was accepted; gives up when it has dealt
   * with nothing for so many milliseconds.
   */
  untilSettled(patience?: number): Promise<void>;
  /** Plays the observer for deletes: what was committed is seen, the next step is due. */
  advanceDeletes(): Promise<void>;
  listCommits(): Promise<Commit[]>;
  /** Holds the whole to “exactly once”, and git to fsck. Returns how many operations there were. */
  expectExactlyOnce(): Promise<number>;
  close(): Promise<void>;
};

/** The guard against mass removals would hold the deletes that a test makes by the dozen. */
const UNGUARDED: KnownCluster = {
  ...DEFAULT_RULES,
  guard: { removals: 10_000, percent: 100, minutes: 1 },
  name: 'lab',
  baseDomain: 'localhost',
  scheme: 'http',
  port: 8088,
  kind: 'lab',
  argocdUrl: null,
};

/** @param options.databaseUrl a migrated database; default: one of its own on the tests' server */
export async function openYard(options: { readonly databaseUrl?: string } = {}): Promise<Yard> {
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-yard-'));
  const [api, repository] = await Promise.all([
    startApi({ ...options, clusters: [UNGUARDED] }),
    createTestRepository(),
  ]);
  const writers: ControlPlaneProcess[] = [];
  const log = join(folder, 'writers.log');
  await seeTenant(api);

  const listCommits = async (): Promise<Commit[]> => {
    const text = await repository.git(
      'log',
      '--reverse',
      '--first-parent',
      '--format=%H%n%B%x00',
      'main',
    );
    return text
      .split('\0')
      .map((entry) => entry.trimStart())
      .filter((entry) => entry !== '')
      .map((entry) => ({
        sha: entry.slice(0, 40),
        ...readCommitTrailers(entry.slice(41)),
      }));
  };

  return {
    api,
    repository,
    folder,
    async startWriter({ remote, ...fault } = {}) {
      const writer = await startControlPlaneProcess({
        args: ['--role', 'writer'],
        env: {
          DATABASE_URL: api.databaseUrl,
          SHOPYARD_REPOSITORY_URL: remote ?? repository.forge.remote.url,
          SHOPYARD_FORGE_WRITE_PASSWORD: repository.forge.remote.password,
          SHOPYARD_CLUSTER_NAME: 'lab',
          SHOPYARD_STORE_SCHEME: 'http',
          SHOPYARD_LAB_DIR: join(folder, 'no-lab'),
          SHOPYARD_DATA_DIR: join(folder, `writer-${writers.length}`),
          SHOPYARD_LOG_LEVEL: 'warn',
        },
        port: await findFreePort(),
        log,
        ...fault,
      });
      writers.push(writer);
      return writer;
    },
    readLog: () => readFile(log, 'utf8'),
    async create(name) {
      const reply = await api.request('POST', '/api/stores', {
        body: { name, type: 'woocommerce' },
      });
      expect(reply.status, reply.text).toBe(202);
      return Accepted.parse(reply.body);
    },
    async untilSettled(patience = 60_000) {
      let left: number | null = null;
      let changedAt = performance.now();
      for (;;) {
        const { count } = await api.db
          .selectFrom('operations')
          .select((of) => of.fn.countAll<string>().as('count'))
          .where('state', '=', 'queued')
          .executeTakeFirstOrThrow();
        const queued = Number(count);
        if (queued === 0) return;
        if (queued !== left) changedAt = performance.now();
        left = queued;
        const idle = performance.now() - changedAt;
        expect(idle, `ms without a change of the ${queued} that wait`).toBeLessThan(patience);
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    },
    async advanceDeletes() {
      for (const [from, to] of [
        ['remove', 'purge'],
        ['release', 'remove'],
      ] as const satisfies readonly (readonly [Action, Action])[])
        await api.db
          .updateTable('operations')
          .set({ action: to, state: 'queued' })
          .where('kind', '=', 'delete')
          .where('state', '=', 'waiting')
          .where('action', '=', from)
          .execute();
    },
    listCommits,
    async expectExactlyOnce() {
      const operations = await api.db.selectFrom('operations').selectAll().execute();
      const commits = await listCommits();
      for (const { id, state, kind } of operations) {
        const actions = commits.filter((one) => one.operationId === id).map((one) => one.action);
        expect(new Set(actions).size, `${kind} ${id}: each step once`).toBe(actions.length);
        expect(['waiting', 'done', 'superseded'], `${kind} ${id}`).toContain(state);
        if (kind !== 'delete' && state !== 'superseded')
          expect(actions, `${kind} ${id} is ${state}`).toEqual([kind]);
      }
      await expectIndexed(api, commits);
      await expectStoresAsAccepted(api, repository);
      await expectSound((args) => repository.git(...args));
      return operations.length;
    },
    async close() {
      for (const writer of writers) resume(writer.pid);
      await Promise.all(writers.map((writer) => writer.stop()));
      await Promise.all([api.close(), repository.close()]);
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** The database knows every commit, in the branch's order, once. */
async function expectIndexed(api: Api, commits: readonly Commit[]): Promise<void> {
  const rows = await api.db
    .selectFrom('commits')
    .select(['sha', 'position'])
    .orderBy('position')
    .execute();
  expect(rows.map((row) => row.sha)).toEqual(commits.map((commit) => commit.sha));
  expect(rows.map((row) => row.position)).toEqual(rows.map((_, index) => index + 1));
}

/** What is on the branch is what was accepted last. */
async function expectStoresAsAccepted(api: Api, repository: TestRepository): Promise<void> {
  const files = (await repository.git('ls-tree', '-r', '--name-only', 'main')).trim().split('\n');
  const intents = files.filter((path) => /^clusters\/lab\/stores\/.*\/store\.yaml$/.test(path));
  const found = new Map<string, string>();
  for (const path of intents) {
    const text = await repository.git('show', `main:${path}`);
    const id = /^ {2}id: (\S+)$/m.exec(text)?.[1] ?? path;
    expect(found.has(id), `${id} is there once`).toBe(false);
    found.set(id, /^ {2}generation: (\d+)$/m.exec(text)?.[1] ?? '');
  }
  const stores = await api.db
    .selectFrom('stores')
    .select(['id', 'generation', 'status'])
    .where('status', '<>', 'deleted')
    .execute();
  const wanted = stores.map(({ id, generation }) => [id, String(generation)] as const);
  for (const [id, generation] of wanted) expect([id, found.get(id)]).toEqual([id, generation]);
  expect(found.size, 'nothing is there that was not asked for').toBe(stores.length);
}

/** Its project is committed and seen: stores need not wait for it. */
async function seeTenant(api: Api): Promise<void> {
  const { id } = await api.db
    .selectFrom('tenants')
    .select('id')
    .where('slug', '=', 'platform')
    .executeTakeFirstOrThrow();
  await api.db
    .insertInto('tenantClusters')
    .values({ tenantId: id, cluster: 'lab', committedAt: new Date(), seenAt: new Date() })
    .execute();
}

/** Lets a stopped process go on; one that has ended is left alone. */
export function resume(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // It has ended.
  }
}

/** Waits until the process has stopped itself (Linux). */
export async function untilStopped(pid: number): Promise<void> {
  await vi.waitFor(
    async () => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
      expect(stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)).toBe('T');
    },
    { timeout: 30_000, interval: 20 },
  );
}
