/**
 * Row 4: a writer is stopped in the middle of a batch until another has its lease, and then goes on:
 * what it had in hand is refused by the lease or by the branch.
 */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { FaultPoint } from '../../control-plane/src/reconcile/publish.ts';
import { chooseRounds } from './tally.ts';
import { openYard, resume, untilStopped, type Yard } from './yard.ts';

let yard: Yard;
beforeEach(async () => {
  yard = await openYard();
});
afterEach(() => yard.close());

const POINTS: readonly FaultPoint[] = ['before-push', 'accepted', 'after-push', 'acknowledged'];
/** What becomes of the stopped writer's operation meanwhile. */
const MEANWHILE = ['published by the other', 'withdrawn without a commit'] as const;

const CASES = POINTS.flatMap((point) =>
  MEANWHILE.filter(
    // What has a commit is not withdrawn without one.
    (what) => what === MEANWHILE[0] || point === 'before-push' || point === 'accepted',
  ).map((what) => [point, what] as const),
).slice(0, chooseRounds({ short: 2, full: 6 }));

test.runIf(process.platform === 'linux').each(CASES)(
  'row 4: stopped at “%s”, its operation %s: awake again it writes nothing',
  { timeout: 120_000 },
  async (point, what) => {
    const old = await yard.startWriter({ fault: point, faultSignal: 'SIGSTOP' });
    const { store, operation } = await yard.create('caught');
    await untilStopped(old.pid);
    if (what === 'withdrawn without a commit')
      expect((await yard.api.request('DELETE', `/api/stores/${store.id}`)).status).toBe(202);
    await yard.startWriter();
    if (what === 'published by the other') await yard.create('next');
    await yard.untilSettled();
    while (what === 'withdrawn without a commit' && !(await isGone(store.id))) {
      await yard.advanceDeletes();
      await yard.untilSettled();
    }
    const before = await yard.listCommits();
    const written = await readWritten();

    resume(old.pid);
    // Of what was settled there is nothing left to do, and nothing to be told.
    if (point !== 'acknowledged')
      await vi.waitFor(
        async () => expect(await yard.readLog()).toMatch(/lease_lost|push in doubt/),
        { timeout: 30_000 },
      );
    // It does not even send what it had in hand.
    expect(await yard.readLog()).not.toContain('push in doubt');
    // Its end waits for what it is at.
    expect(await old.stop()).toBe(0);

    expect(await yard.listCommits()).toEqual(before);
    expect(await readWritten()).toEqual(written);
    await yard.create('after');
    await yard.untilSettled();
    await yard.expectExactlyOnce();
    const commits = await yard.listCommits();
    expect(commits.filter((one) => one.operationId === operation.id)).toHaveLength(
      what === 'withdrawn without a commit' ? 0 : 1,
    );
  },
);

async function isGone(id: string): Promise<boolean> {
  const row = await yard.api.db
    .selectFrom('stores')
    .select('status')
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  return row.status === 'deleted';
}

/** What a writer writes to the database. */
async function readWritten(): Promise<unknown> {
  const { db } = yard.api;
  return {
    operations: await db.selectFrom('operations').selectAll().orderBy('seq').execute(),
    stores: await db.selectFrom('stores').selectAll().orderBy('id').execute(),
    repositories: await db.selectFrom('repositories').selectAll().execute(),
  };
}
