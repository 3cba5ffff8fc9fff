/**
 * What the API puts on record, who may read it, and that commits vouch for it: with the real writer
 * on a real repository, and the command that checks it all.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Accepted, AuditList, type AuditEntry } from '../../control-plane/src/contract.ts';
import { hashRow, type AuditRow } from '../../control-plane/src/domain/audit.ts';
import { createLogger } from '../../control-plane/src/logger.ts';
import { locateRepository } from '../../control-plane/src/forge/server.ts';
import { startLoop, type RunningLoop } from '../../control-plane/src/reconcile/loop.ts';
import { createPublisher } from '../../control-plane/src/reconcile/publish.ts';
import { startApi, type Api } from '../api/support.ts';
import { createTestRepository, type TestRepository } from '../support/cluster-repository.ts';

const TOP = join(import.meta.dirname, '../..');

let api: Api;
let repository: TestRepository;
let writing: RunningLoop;
let dataDir: string;
let mine: { readonly id: string; readonly token: string };
let theirs: { readonly id: string; readonly token: string };

beforeAll(async () => {
  api = await startApi();
  repository = await createTestRepository();
  dataDir = await mkdtemp(join(tmpdir(), 'shopyard-audit-'));
  const bare = locateRepository(join(dataDir, 'forge'));
  await mkdir(dirname(bare), { recursive: true });
  await symlink(repository.forge.repositoryDir, bare);
  mine = await api.token('owner', 'mine');
  theirs = await api.token('owner', 'theirs');
  for (const tenant of ['mine', 'theirs'])
    await api.setLimits(tenant, { storeLimit: 100, createsPerMinute: 100 });
  const tenants = await api.db.selectFrom('tenants').select('id').execute();
  await api.db
    .insertInto('tenantClusters')
    .values(tenants.map(({ id }) => ({ tenantId: id, cluster: 'lab', seenAt: new Date() })))
    .execute();
  const silent = createLogger('silent');
  const publisher = createPublisher({
    clusters: ['lab'],
    domainOf: () => null,
    deadlineMs: 600_000,
    db: api.db,
    logger: silent,
    clock: () => new Date(),
    repository: 'test',
    openBranch: () => repository.open(),
    seeds: [],
    render: ({ store }) => [{ path: `stores/${store.name}.yaml`, content: store.plan }],
    renderTenant: ({ tenant }) => ({ path: `tenants/${tenant}.yaml`, content: tenant }),
    relays: [],
    measure: { batch: () => undefined, retry: () => undefined },
  });
  writing = startLoop(api.db, 'test', silent, publisher);
});
afterAll(async () => {
  await writing.stop();
  await api.close();
  await repository.close();
  await rm(dataDir, { recursive: true });
});

async function read(query: string, token = mine.token): Promise<AuditEntry[]> {
  const reply = await api.request('GET', `/api/audit${query}`, { token });
  expect(reply.status, reply.text).toBe(200);
  return AuditList.parse(reply.body).entries;
}

async function create(name: string, token = mine.token, key?: string): Promise<Accepted> {
  const reply = await api.request('POST', '/api/stores', {
    token,
    body: { name, type: 'woocommerce' },
    headers: {
      'X-Request-Id': `request-${name}`,
      ...(key === undefined ? {} : { 'Idempotency-Key': key }),
    },
  });
  return Accepted.parse(reply.body);
}

describe('what is put on record', () => {
  test('create, update, retry, delete: who, what, which, when, from where', async () => {
    const { store, operation } = await create('acts');
    const path = `/api/stores/${store.id}`;
    await api.request('PATCH', path, { token: mine.token, body: { plan: 'large' } });
    await api.request('POST', `${path}/retry`, { token: mine.token });
    await api.request('DELETE', path);
    const entries = await read(`?store=${store.id}`);
    expect(entries.map((one) => [one.action, one.by.kind, one.by.name])).toEqual([
      ['store.delete', 'token', 'bootstrap'],
      ['store.retry', 'token', 'owner'],
      ['store.update', 'token', 'owner'],
      ['store.create', 'token', 'owner'],
    ]);
    expect(entries[2]?.detail).toMatchObject({ planBefore: 'small', plan: 'large' });
    expect(entries[3]).toMatchObject({
      by: { id: mine.id },
      tenant: 'mine',
      store: { id: store.id, name: 'acts' },
      outcome: 'done',
      requestId: 'request-acts',
      address: '127.0.0.1',
      detail: { name: 'acts', type: 'woocommerce', plan: 'small', operation: operation.id },
    });
    expect(Date.now() - Date.parse(entries[3]?.at ?? '')).toBeLessThan(60_000);
  });

  test('what changed nothing is not: refused, repeated, replayed', async () => {
    await create('once', mine.token, 'key-once');
    const before = (await read('?limit=200')).length;
    await create('once', mine.token, 'key-once');
    await create('once');
    const refused = await api.request('POST', '/api/stores', {
      token: mine.token,
      body: { name: 'once', type: 'woocommerce', plan: 'large' },
    });
    expect(refused.status).toBe(409);
    expect(await read('?limit=200')).toHaveLength(before);
  });

  test('thirty creates at once: one row each, one chain', async () => {
    const names = Array.from({ length: 30 }, (_, n) => `many-${n}`);
    await Promise.all(names.map((name) => create(name)));
    const entries = await read('?action=store.create&limit=200');
    expect(names.filter((name) => !entries.some((one) => one.store?.name === name))).toEqual([]);
    expect(await verify()).toMatchObject({ code: 0 });
  });
});

describe('who may read it', () => {
  test('owners their tenant’s slice, operators everything, others nothing', async () => {
    await create('neighbour', theirs.token);
    const own = await read('?limit=200');
    expect(new Set(own.map((one) => one.tenant))).toEqual(new Set(['mine']));
    const foreign = await read('?limit=200', theirs.token);
    expect(foreign.map((one) => one.store?.name)).toEqual(['neighbour']);
    const { token } = await api.token('operator');
    const all = await read('?limit=200', token);
    expect(new Set(all.map((one) => one.tenant))).toEqual(new Set(['mine', 'theirs']));
    expect(new Set((await read('?tenant=theirs', token)).map((one) => one.tenant))).toEqual(
      new Set(['theirs']),
    );
    for (const role of ['member', 'viewer'] as const) {
      const other = await api.token(role, 'mine');
      for (const path of ['/api/audit', '/api/audit.ndjson'])
        expect((await api.request('GET', path, { token: other.token })).status).toBe(403);
    }
  });

  test('an owner asks for no other tenant, by whatever filter', async () => {
    const named = await api.request('GET', '/api/audit?tenant=theirs', { token: mine.token });
    expect(named.status).toBe(422);
    const [entry] = await read('', theirs.token);
    expect(await read(`?store=${entry?.store?.id ?? ''}`)).toEqual([]);
    expect(await read(`?by=${theirs.id}`)).toEqual([]);
  });

  test('pages and filters', async () => {
    const all = await read('?limit=200');
    const seen: number[] = [];
    let cursor = '';
    do {
      const reply = await api.request('GET', `/api/audit?limit=7${cursor}`, { token: mine.token });
      const page = AuditList.parse(reply.body);
      seen.push(...page.entries.map((one) => one.seq));
      cursor = page.next === null ? '' : `&cursor=${page.next}`;
    } while (cursor !== '');
    expect(seen).toEqual(all.map((one) => one.seq));
    expect(await read('?action=store.update')).toHaveLength(1);
    const middle = all[10]?.at ?? '';
    const [earlier, later] = [
      await read(`?limit=200&to=${middle}`),
      await read(`?limit=200&from=${middle}`),
    ];
    expect(earlier.length + later.length).toBe(all.length);
    expect(later.every((one) => one.at >= middle)).toBe(true);
    for (const query of ['cursor=x', 'from=yesterday', 'limit=0', 'sort=at'])
      expect((await api.request('GET', `/api/audit?${query}`, { token: mine.token })).status).toBe(
        422,
      );
  });

  test('the export: every row of one’s own, each with the hash it must have; itself on record', async () => {
    const reply = await api.request('GET', '/api/audit.ndjson', { token: mine.token });
    expect(reply.headers.get('Content-Type')).toContain('application/x-ndjson');
    const rows = reply.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as AuditEntry & AuditRow);
    expect(rows.map((row) => row.seq)).toEqual(
      (await read('?limit=200')).map((one) => one.seq).toReversed(),
    );
    expect(rows.at(-1)?.action).toBe('audit.export');
    for (const row of rows) {
      const at = new Date(row.at);
      expect(hashRow({ ...row, at, storeId: row.store?.id ?? null })).toBe(row.hash);
    }
    const narrow = await api.request('GET', '/api/audit.ndjson?action=store.update', {
      token: mine.token,
    });
    expect(narrow.text.trimEnd().split('\n')).toHaveLength(1);
  });
});

/** The command, as an operator runs it. */
async function verify(): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(process.execPath, ['control-plane/src/audit/verify.ts'], {
    cwd: TOP,
    env: {
      PATH: process.env.PATH ?? '',
      DATABASE_URL: api.databaseUrl,
      SHOPYARD_DATA_DIR: dataDir,
    },
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, output };
}

test('commits vouch for the log: a tail that is cut is found by them alone (reliability 20)', async () => {
  // Whatever else is on record: the commit vouches for more than one row.
  await create('before-it');
  const { operation } = await create('anchored');
  await vi.waitFor(
    async () => {
      const row = await api.db
        .selectFrom('operations')
        .select('state')
        .where('id', '=', operation.id)
        .executeTakeFirstOrThrow();
      expect(row.state).toBe('waiting');
    },
    { timeout: 15_000, interval: 50 },
  );
  const entries = await read('?limit=1', (await api.token('operator')).token);
  const last = entries[0]?.seq ?? 0;
  const message = await repository.git('log', '-1', '--format=%B', 'main');
  expect(message).toMatch(new RegExp(`^Audit-Head: ${last} [0-9a-f]{64}$`, 'm'));
  const whole = await verify();
  expect(whole).toMatchObject({ code: 0 });
  expect(whole.output).toContain(`${last} rows`);
  expect(whole.output).toContain(`up to row ${last}`);

  const owner = new pg.Client({ connectionString: api.databaseUrl });
  await owner.connect();
  try {
    await owner.query('alter table audit disable trigger user');
    await owner.query('create table kept as select * from audit where seq >= $1', [last - 1]);
    await owner.query('delete from audit where seq >= $1', [last - 1]);
    const cut = await verify();
    expect(cut.code).toBe(1);
    expect(cut.output).toContain(`broken at row ${last - 1} (cut)`);
    await owner.query('insert into audit select * from kept');
    expect((await verify()).code).toBe(0);
    await owner.query(`update audit set address = '10.0.0.1' where seq = 2`);
    const edited = await verify();
    expect(edited.code).toBe(1);
    expect(edited.output).toContain('broken at row 2 (edited)');
  } finally {
    await owner.end();
  }
});

test('what cannot be checked is not said to be whole', async () => {
  await rm(locateRepository(join(dataDir, 'forge')));
  expect(await verify()).toMatchObject({ code: 2 });
});
