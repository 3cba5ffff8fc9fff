/** A writer with its reviews on a real Postgres, a real git server and the embedded forge. */
import { sql } from 'kysely';
import { expect, vi } from 'vitest';
import type { Db } from '../../control-plane/src/db/open.ts';
import type { Actor } from '../../control-plane/src/db/acts.ts';
import {
  decideReview,
  findReview,
  type ReviewDecision,
} from '../../control-plane/src/db/review-list.ts';
import type { Action, OperationKind, StoreSpec } from '../../control-plane/src/domain/store.ts';
import { createEmbeddedForge } from '../../control-plane/src/forge/embedded.ts';
import type { Forge } from '../../control-plane/src/forge/types.ts';
import { createLogger } from '../../control-plane/src/logger.ts';
import { startLoop, type RunningLoop } from '../../control-plane/src/reconcile/loop.ts';
import {
  createPublisher,
  type PublisherOptions,
} from '../../control-plane/src/reconcile/publish.ts';
import {
  createReviewer,
  withReviews,
  type ReviewerOptions,
} from '../../control-plane/src/reconcile/reviews.ts';
import { renderTenant } from '../../control-plane/src/render/cluster.ts';
import { createStoreRenderer } from '../../control-plane/src/render/store.ts';
import { openObjects } from '../../control-plane/src/repository/bare.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { createTestRepository, type TestRepository } from '../support/cluster-repository.ts';
import { exampleCluster } from '../support/example-cluster.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { insertStore, queueOperation } from '../support/stores.ts';

const { sources, engines } = await loadTemplates();
const address = { repositoryUrl: 'http://git.example/shopyard.git', branch: 'main' };
const REPOSITORY = 'test';

export type Desk = {
  readonly db: Db;
  readonly repository: TestRepository;
  readonly forge: Forge;
  /** Starts a writer; the one before is stopped. */
  start(changes?: {
    reviewer?: Partial<ReviewerOptions>;
    publisher?: Partial<PublisherOptions>;
  }): Promise<void>;
  /** As if the process had been killed. */
  stop(): Promise<void>;
  ring(): void;
  /** Rings until the check passes. */
  until<T>(check: () => Promise<T>): Promise<T>;
  /** What the reviewer says of itself. */
  trouble(): string | null;
  /** A new store whose create is to be reviewed, if it needs that. */
  create(
    changes?: Parameters<typeof insertStore>[1],
    needsReview?: boolean,
  ): Promise<{ spec: StoreSpec; operationId: string }>;
  /** Has a change of a store reviewed, as acceptance leaves it: its row says what it is to be. */
  change(spec: StoreSpec, kind: OperationKind, action: Action): Promise<string>;
  /** Without a review. */
  direct(spec: StoreSpec, kind: OperationKind, action: Action): Promise<string>;
  /** Protects a store beside whatever is under way; what waits for a review carries it on. */
  protect(spec: StoreSpec): Promise<string>;
  /** The number of its pull request, once it has one. */
  opened(operationId: string): Promise<number>;
  reached(operationId: string, state: string): Promise<void>;
  decide(number: number, decision: ReviewDecision): ReturnType<typeof decideReview>;
  approve(number: number): Promise<void>;
  pullRequest(number: number): Promise<NonNullable<Awaited<ReturnType<typeof findReview>>>>;
  pullRequests(): Promise<{ number: number; state: string; branch: string }[]>;
  store(id: string): Promise<Awaited<ReturnType<typeof readStore>>>;
  /** Commits of main, along first parents, that name the operation. */
  commitsOf(operationId: string): Promise<string[]>;
  close(): Promise<void>;
};

const OPERATOR: Actor & { principal: NonNullable<Actor['principal']> } = {
  requestId: 'request-1',
  address: '127.0.0.1',
  principal: {
    kind: 'user',
    id: 'us_olga',
    name: 'Olga',
    userId: 'us_olga',
    role: 'operator',
    tenantId: '',
    tenant: '',
    scopes: ['read', 'write'],
    confirmedAt: null,
  } as unknown as NonNullable<Actor['principal']>,
};

export async function openDesk(): Promise<Desk> {
  const [database, repository] = await Promise.all([createTestDatabase(), createTestRepository()]);
  const { db } = database;
  const objects = openObjects({ repository: repository.forge.repositoryDir });
  const forge = createEmbeddedForge({
    db,
    repository: REPOSITORY,
    remote: (access) =>
      access === 'write' ? repository.forge.remote : repository.forge.readRemote,
    openContent: () =>
      Promise.resolve({
        dir: repository.forge.repositoryDir,
        objects,
        refresh: () => Promise.resolve(),
      }),
    clock: () => new Date(),
  });
  let loop: RunningLoop | null = null;
  let ring = (): void => undefined;
  let trouble = (): string | null => null;
  let holders = 0;

  const desk: Desk = {
    db,
    repository,
    forge,
    async start(changes = {}) {
      await desk.stop();
      const shared = {
        db,
        logger: createLogger('silent'),
        clock: () => new Date(),
        repository: REPOSITORY,
        clusters: ['lab'],
        openBranch: () => repository.open(),
        render: createStoreRenderer(sources, address, exampleCluster),
        domainOf: () => null,
        deadlineMs: 600_000,
      };
      const publisher = createPublisher({
        ...shared,
        seeds: [
          {
            subject: 'Seed',
            files: [
              { path: 'clusters/lab/apps/0/placeholder.yaml', content: 'kind: AppProject\n' },
            ],
          },
        ],
        renderTenant: (tenant) => renderTenant(sources, { ...address, ...tenant }),
        relays: [],
        measure: { batch: () => undefined, retry: () => undefined },
        ...changes.publisher,
      });
      const reviewer = createReviewer({
        ...shared,
        forge: () => Promise.resolve(forge),
        engines,
        modeOf: () => 'always',
        paceMs: 100,
        onMerged: (sha) => publisher.noticePush(sha),
        ...changes.reviewer,
      });
      trouble = () => reviewer.trouble();
      ring = () => {
        publisher.wake();
        publisher.noticePush(null);
        reviewer.ring('forge');
      };
      loop = startLoop(db, `holder-${holders++}`, shared.logger, withReviews(publisher, reviewer));
    },
    async stop() {
      await loop?.stop();
      loop = null;
    },
    ring: () => ring(),
    until: (check) => {
      let checks = 0;
      return vi.waitFor(
        () => {
          // Each ring has the branch fetched: not with every check.
          if (checks++ % 10 === 0) ring();
          return check();
        },
        { timeout: 30_000, interval: 50 },
      );
    },
    trouble: () => trouble(),
    async create(changes, needsReview = true) {
      const made = await db.transaction().execute(async (tx) => {
        const inserted = await insertStore(tx, changes);
        await tx
          .updateTable('operations')
          .set({ needsReview })
          .where('id', '=', inserted.operationId)
          .execute();
        return inserted;
      });
      ring();
      return made;
    },
    async change(spec, kind, action) {
      const operationId = await queueChange(db, spec, kind, action, true);
      ring();
      return operationId;
    },
    async direct(spec, kind, action) {
      const operationId = await queueChange(db, spec, kind, action, false);
      ring();
      return operationId;
    },
    async protect(spec) {
      const operationId = await queueProtection(db, spec);
      ring();
      return operationId;
    },
    opened: (operationId) =>
      desk.until(async () => {
        const row = await db
          .selectFrom('operations')
          .select(['state', 'reviewNumber'])
          .where('id', '=', operationId)
          .executeTakeFirstOrThrow();
        expect(row).toMatchObject({
          state: 'review',
          reviewNumber: expect.any(Number) as number,
        });
        return row.reviewNumber ?? 0;
      }),
    reached: (operationId, state) =>
      desk.until(async () => {
        const row = await db
          .selectFrom('operations')
          .select('state')
          .where('id', '=', operationId)
          .executeTakeFirstOrThrow();
        expect(row.state).toBe(state);
      }),
    decide: (number, decision) =>
      decideReview(db, OPERATOR, { repository: REPOSITORY, number }, decision, new Date()),
    async approve(number) {
      const { headSha } = await desk.pullRequest(number);
      const outcome = await desk.decide(number, { kind: 'approved', headSha });
      expect(outcome.kind).toBe('decided');
      ring();
    },
    async pullRequest(number) {
      const row = await findReview(db, REPOSITORY, null, number);
      if (row === null) throw new Error(`There is no pull request ${number}.`);
      return row;
    },
    pullRequests: () =>
      db
        .selectFrom('pullRequests')
        .select(['number', 'state', 'branch'])
        .orderBy('number')
        .execute(),
    store: (id) => readStore(db, id),
    async commitsOf(operationId) {
      const log = await repository.git('log', '--first-parent', '--format=%H%n%B%x00', 'main');
      return log
        .split('\0')
        .filter((entry) => entry.includes(`Operation-Id: ${operationId}`))
        .map((entry) => entry.trim().slice(0, 40));
    },
    async close() {
      await desk.stop();
      objects.close();
      await Promise.all([database.close(), repository.close()]);
    },
  };
  return desk;
}

function readStore(db: Db, id: string) {
  return db.selectFrom('stores').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
}

async function queueChange(
  db: Db,
  spec: StoreSpec,
  kind: OperationKind,
  action: Action,
  needsReview: boolean,
): Promise<string> {
  return db.transaction().execute(async (tx) => {
    const { status } = await readStore(tx, spec.id);
    await tx
      .updateTable('operations')
      .set({ state: 'superseded', finishedAt: new Date() })
      .where('storeId', '=', spec.id)
      .where('state', 'in', ['queued', 'held', 'review', 'waiting'])
      .execute();
    const operationId = await queueOperation(tx, spec, kind, action);
    await tx.updateTable('operations').set({ needsReview }).where('id', '=', operationId).execute();
    await tx
      .updateTable('stores')
      .set({
        plan: spec.plan,
        generation: spec.generation,
        suspended: spec.suspended,
        purgeAt: spec.purgeAt,
        stage: 'requested',
        // Until somebody agreed, nothing is under way.
        ...(needsReview ? { status } : {}),
      })
      .where('id', '=', spec.id)
      .execute();
    return operationId;
  });
}

/** In one transaction, as acceptance does: the writer never sees the change under way taken over. */
async function queueProtection(db: Db, spec: StoreSpec): Promise<string> {
  return db.transaction().execute(async (tx) => {
    const { operationId } = await readStore(tx, spec.id);
    await sql`
      update operations set spec = jsonb_set(spec, '{protected}', 'true')
      where store_id = ${spec.id} and state = 'review'
    `.execute(tx);
    const queued = await queueOperation(tx, { ...spec, protected: true }, 'protect', 'protect');
    await tx
      .updateTable('stores')
      .set({ operationId, protected: true })
      .where('id', '=', spec.id)
      .execute();
    return queued;
  });
}
