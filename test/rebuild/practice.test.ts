/**
 * The database lost while stores run: `npm run rebuild` as people run it, then the control plane on a
 * new database finds every store live. Argo CD (the practice cluster) sees no commit.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Store } from '../../control-plane/src/contract.ts';
import type { ApiClient, ControlPlaneProcess } from '../support/control-plane-process.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { openPractice, type Practice } from '../support/practice.ts';

const run = promisify(execFile);
const TOP = join(import.meta.dirname, '../..');
const WITHIN = { timeout: 120_000 };
vi.setConfig({ testTimeout: 240_000 });

let practice: Practice;
/** What the control plane gets once its own is lost. */
let fresh: TestDatabase;
let controlPlane: ControlPlaneProcess | undefined;

const isReady = (store: Store): boolean => store.status === 'ready';

async function start(database: TestDatabase): Promise<ApiClient> {
  const started = await practice.startControlPlane({ env: { DATABASE_URL: database.url } });
  controlPlane = started.controlPlane;
  return started.api;
}

async function rebuild(database: TestDatabase, ...args: string[]): Promise<string> {
  const script = join(TOP, 'control-plane/src/rebuild.ts');
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, ...practice.env, DATABASE_URL: database.url };
  return (await run(process.execPath, [script, ...args], { cwd: TOP, env })).stdout;
}

async function readTip(): Promise<string> {
  const repository = join(practice.folder, 'data/forge/shopyard.git');
  return (await run('git', ['--git-dir', repository, 'rev-parse', 'main'])).stdout.trim();
}

const summarize = ({ id, name, url, namespace, generation, plan, commit }: Store) => ({
  ...{ id, name, url, namespace, generation, plan, commit },
});

beforeAll(async () => {
  [practice, fresh] = await Promise.all([openPractice({ speed: 8 }), createTestDatabase()]);
});

afterAll(async () => {
  await controlPlane?.stop();
  await practice.close();
  await fresh.close();
});

test('every store is found live again with its id, address and generation, and can be changed', async () => {
  const before = await start(practice.database);
  const made = [];
  for (const name of ['shop', 'neighbour'])
    made.push((await before.create({ name, type: 'woocommerce' })).store.id);
  for (const id of made) await before.waitFor(id, 'ready', isReady, WITHIN);
  await before.change(made[0] ?? '', { plan: 'medium' });
  await before.waitFor(
    made[0] ?? '',
    'changed',
    (one) => isReady(one) && one.generation === 2,
    WITHIN,
  );
  const stores = [];
  for (const id of made) stores.push(summarize(await before.read(id)));
  await controlPlane?.stop();
  const tip = await readTip();

  expect(await rebuild(fresh, '--dry-run')).toContain('Would restore: 1 tenants, 2 stores');
  const report = await rebuild(fresh);
  expect(report).toContain(
    'Restored: 1 tenants, 2 stores, 0 on their way out, 0 that are gone; 3 operations',
  );
  expect(report).toContain('accounts');
  expect(await rebuild(fresh)).toContain('Nothing was missing.');

  const after = await start(fresh);
  for (const [index, id] of made.entries())
    expect(summarize(await after.waitFor(id, 'ready', isReady, WITHIN))).toEqual(stores[index]);
  expect(await readTip()).toBe(tip);

  await after.change(made[1] ?? '', { plan: 'medium' });
  const changed = (one: Store) => isReady(one) && one.plan === 'medium';
  expect((await after.waitFor(made[1] ?? '', 'changed', changed, WITHIN)).generation).toBe(2);
});
