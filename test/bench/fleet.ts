/**
 * A fleet of stores as it would be after years: the cluster repository in its exact layout, made by
 * the product's own renderer, and as many rows in the database.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { sql } from 'kysely';
import type { Db } from '../../control-plane/src/db/open.ts';
import { writeCommitMessage } from '../../control-plane/src/domain/commit-message.ts';
import { completeOptions } from '../../control-plane/src/domain/options.ts';
import { nameApplication, nameNamespace } from '../../control-plane/src/domain/store.ts';
import type { StoreSpec } from '../../control-plane/src/domain/store.ts';
import type { FileChange } from '../../control-plane/src/git/types.ts';
import { loadMonitoring } from '../../control-plane/src/monitoring.ts';
import { loadPolicies } from '../../control-plane/src/policies.ts';
import { renderTenant } from '../../control-plane/src/render/cluster.ts';
import { renderSeeds } from '../../control-plane/src/render/seeds.ts';
import { createStoreRenderer, type RenderAction } from '../../control-plane/src/render/store.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { exampleCluster } from '../support/example-cluster.ts';

export const TENANT = { tenantId: 'bench1', tenant: 'platform' };
export const CLUSTER = 'bench';
export const BRANCH = 'main';
/** As Argo CD would reach it; nobody does. */
export const REPOSITORY_URL = 'http://127.0.0.1/shopyard.git';

const ADDRESS = { repositoryUrl: REPOSITORY_URL, branch: BRANCH };
const SETTINGS = exampleCluster(CLUSTER);
const AUTHOR = { name: 'Shopyard', email: 'shopyard@localhost' };

export type Creation = { readonly changes: readonly FileChange[]; readonly message: string };

export type Fleet = {
  /** What every cluster repository starts with, and the first `count` stores. */
  renderRepository(count: number): FileChange[];
  /** The commit that creates one more store. */
  renderCreation(name: string): Creation;
  /** Rows as if the first `count` stores had been created here and become ready. */
  insertStores(db: Db, count: number): Promise<void>;
};

export async function prepareFleet(): Promise<Fleet> {
  const templates = await loadTemplates();
  const seeds = renderSeeds(
    { ...templates, policies: await loadPolicies(), monitoring: await loadMonitoring() },
    ADDRESS,
    [SETTINGS],
  );
  const engine = templates.engines[0];
  if (engine === undefined) throw new Error('there is no shop engine');
  const render: RenderAction = createStoreRenderer(templates.sources, ADDRESS, () => SETTINGS);
  const describe = (name: string): StoreSpec => ({
    id: nameId('st', name),
    name: name as StoreSpec['name'],
    ...TENANT,
    type: engine.type,
    chart: engine.chart,
    chartVersion: engine.version,
    plan: engine.plans[0] ?? 'small',
    storagePlan: engine.plans[0] ?? 'small',
    options: completeOptions(engine.options, {}),
    cluster: CLUSTER,
    host: `${name}.localhost`,
    url: `http://${name}.localhost`,
    generation: 1,
    attempt: 1,
    suspended: false,
    purgeAt: null,
    protected: false,
  });
  const renderStore = (store: StoreSpec): FileChange[] =>
    render(
      { action: 'create', store, operationId: nameId('op', store.name), at: new Date(0) },
      null,
    );
  const listSeeded = (count: number): StoreSpec[] =>
    Array.from({ length: count }, (_, index) => describe(`seeded-${String(index)}`));

  return {
    renderRepository: (count) => [
      ...seeds.flatMap(({ files }) => files),
      renderTenant(templates.sources, { ...ADDRESS, ...TENANT, cluster: CLUSTER }),
      ...listSeeded(count).flatMap(renderStore),
    ],
    renderCreation(name) {
      const store = describe(name);
      const operation = { id: nameId('op', name), requestedBy: 'tok_bench' };
      return {
        changes: renderStore(store),
        message: writeCommitMessage('create', store, operation),
      };
    },
    async insertStores(db, count) {
      const stores = listSeeded(count);
      for (let start = 0; start < count; start += ROWS) {
        await insertRows(db, stores.slice(start, start + ROWS));
      }
      await sql`analyze`.execute(db);
    },
  };
}

/** Rows a statement: Postgres takes 65,535 parameters. */
const ROWS = 500;

async function insertRows(db: Db, stores: readonly StoreSpec[]): Promise<void> {
  const now = new Date();
  await db
    .insertInto('stores')
    .values(
      stores.map(({ tenant: _, ...spec }) => ({
        ...spec,
        options: JSON.stringify(spec.options),
        application: nameApplication(spec.tenantId, spec.name),
        namespace: nameNamespace(spec.tenantId, spec.name),
        operationId: nameId('op', spec.name),
        status: 'ready' as const,
        stage: 'ready' as const,
        readyAt: now,
      })),
    )
    .execute();
  await db
    .insertInto('operations')
    .values(
      stores.map((spec) => ({
        id: nameId('op', spec.name),
        storeId: spec.id,
        tenantId: spec.tenantId,
        cluster: spec.cluster,
        kind: 'create' as const,
        action: 'create' as const,
        state: 'done' as const,
        generation: 1,
        spec: JSON.stringify(spec),
        requestedBy: 'tok_bench',
        committedAt: now,
        finishedAt: now,
      })),
    )
    .execute();
}

/** An id that looks like the product's and is the same in every run. */
function nameId(prefix: string, name: string): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz234567';
  let state = 2_166_136_261;
  for (const byte of Buffer.from(name)) state = Math.imul(state ^ byte, 16_777_619) >>> 0;
  let text = '';
  for (let index = 0; index < 16; index += 1) {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + index + 1) >>> 0;
    text += letters.charAt(state >>> 27);
  }
  return `${prefix}_${text}`;
}

/** The input of `git fast-import` for one commit. */
export function formatImport(creation: Creation, from: string | null): Buffer {
  const parts: (string | Buffer)[] = [
    `commit refs/heads/${BRANCH}\n`,
    `committer ${AUTHOR.name} <${AUTHOR.email}> ${String(Math.floor(Date.now() / 1_000))} +0000\n`,
    `data ${String(Buffer.byteLength(creation.message))}\n${creation.message}\n`,
    from === null ? '' : `from ${from}\n`,
  ];
  for (const { path, content } of creation.changes) {
    if (content === null) continue;
    const bytes = Buffer.from(content);
    parts.push(`M 100644 inline ${path}\ndata ${String(bytes.length)}\n`, bytes, '\n');
  }
  return Buffer.concat(parts.map((part) => Buffer.from(part)));
}

/** Runs `git fast-import`, the fastest writer native git has, and waits until it is done. */
export async function importCommits(repository: string, input: Buffer): Promise<void> {
  const child = spawn('git', ['--git-dir', repository, 'fast-import', '--quiet'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`git fast-import ended with ${String(code)}`);
}
