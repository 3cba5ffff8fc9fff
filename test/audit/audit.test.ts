/** The audit log on a real Postgres: who may do what with it, and what the check finds. */
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sql } from 'kysely';
import { checkAuditTable } from '../../control-plane/src/audit/check-table.ts';
import { appendAudit, readAuditAfter, readAuditHead } from '../../control-plane/src/db/audit.ts';
import {
  chainEntries,
  EMPTY_CHAIN,
  type AuditEntry,
} from '../../control-plane/src/domain/audit.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.close());

function entry(changes: Partial<AuditEntry> = {}): AuditEntry {
  return {
    at: new Date('2026-11-21T12:00:00.123Z'),
    by: { id: 'tok_a', name: 'ada', kind: 'token' },
    tenantId: 'abc123',
    storeId: null,
    action: 'store.create',
    outcome: 'done',
    requestId: 'req_1',
    address: '127.0.0.1',
    detail: { name: 'shop', zeta: 1, alpha: ['x', 'y'] },
    ...changes,
  };
}

async function append(...entries: AuditEntry[]): Promise<void> {
  await database.db.transaction().execute((tx) => appendAudit(tx, entries));
}

/** As the owner of the schema, who can take the fences down. */
async function asOwner(...statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

const UNFENCED = 'alter table audit disable trigger user';

describe('the chain', () => {
  test('an empty log is whole', async () => {
    expect(await checkAuditTable(database.db, [])).toEqual({ kind: 'whole', head: EMPTY_CHAIN });
  });

  test('rows of several transactions follow one another without a gap', async () => {
    await append(entry(), entry({ action: 'store.delete' }));
    await append(entry({ action: 'reveal', outcome: 'failed' }));
    const rows = await readAuditAfter(database.db, 0, { tenantId: null }, 10);
    expect(rows.map((row) => [row.seq, row.action])).toEqual([
      [1, 'store.create'],
      [2, 'store.delete'],
      [3, 'reveal'],
    ]);
    expect(rows[0]).toMatchObject(entry());
    const head = await readAuditHead(database.db);
    expect(await checkAuditTable(database.db, [])).toEqual({ kind: 'whole', head });
  });

  test('forty transactions at once make one chain', async () => {
    await Promise.all(Array.from({ length: 40 }, () => append(entry())));
    expect(await checkAuditTable(database.db, [])).toMatchObject({
      kind: 'whole',
      head: { seq: 40 },
    });
  });

  test('a transaction that is rolled back leaves no row and no gap', async () => {
    await append(entry());
    await expect(
      database.db.transaction().execute(async (tx) => {
        await appendAudit(tx, [entry()]);
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    await append(entry());
    expect(await checkAuditTable(database.db, [])).toMatchObject({
      kind: 'whole',
      head: { seq: 2 },
    });
  });

  test('texts from outside are taken as they are, as far as Postgres takes them', async () => {
    const awkward = 'nul \0 half \ud800 quote " \\ {{x}} 😀'.padEnd(2000, 'x');
    await append(
      entry({ by: { id: null, name: awkward, kind: 'anonymous' }, detail: { email: awkward } }),
    );
    expect(await checkAuditTable(database.db, [])).toMatchObject({ kind: 'whole' });
    const [row] = await readAuditAfter(database.db, 0, { tenantId: null }, 1);
    expect(row?.by.name).toMatch(/^nul \ufffd half \ufffd quote/);
    expect(row?.by.name).toHaveLength(500);
  });
});

describe('what was done to the table is found (reliability 20)', () => {
  beforeEach(() => append(...['a', 'b', 'c', 'd', 'e'].map((name) => entry({ detail: { name } }))));

  /** A commit that names the head of now. */
  const anchor = async () => [{ ...(await readAuditHead(database.db)), commit: 'c0ffee' }];
  const faultOf = async (anchors: Awaited<ReturnType<typeof anchor>> = []) => {
    const verdict = await checkAuditTable(database.db, anchors);
    return verdict.kind === 'broken' ? [verdict.fault.seq, verdict.fault.kind] : 'whole';
  };

  test.each([
    [`detail = '{"name":"other"}'`],
    [`at = at + interval '1 millisecond'`],
    [`by_id = 'tok_b'`],
    [`by_name = null`],
    [`tenant_id = null`],
    [`store_id = 'st_x'`],
    [`action = 'store.delete'`],
    [`outcome = 'failed'`],
    [`request_id = 'req_2'`],
    [`address = '10.0.0.1'`],
    [`hash = repeat('a', 64)`],
  ])('edited: %s', async (change) => {
    await asOwner(UNFENCED, `update audit set ${change} where seq = 3`);
    expect(await faultOf()).toEqual([3, 'edited']);
  });

  test('dropped', async () => {
    await asOwner(UNFENCED, 'delete from audit where seq = 3');
    expect(await faultOf()).toEqual([3, 'missing']);
  });

  test('the first ones dropped', async () => {
    await asOwner(UNFENCED, 'delete from audit where seq <= 2');
    expect(await faultOf()).toEqual([1, 'missing']);
  });

  test('reordered', async () => {
    await asOwner(
      UNFENCED,
      'update audit set seq = -seq where seq in (2, 4)',
      'update audit set seq = 6 + seq where seq < 0',
    );
    expect(await faultOf()).toEqual([2, 'edited']);
  });

  test('reordered, each hash made to fit its row', async () => {
    const rows = await readAuditAfter(database.db, 0, { tenantId: null }, 10);
    const [, second, , fourth] = rows;
    if (second === undefined || fourth === undefined) throw new Error('no rows');
    // Row 2 says what row 4 said; its hash is right, and row 3 follows another.
    const [forged] = chainEntries({ seq: 1, hash: second.previousHash }, [fourth]);
    await asOwner(
      UNFENCED,
      `update audit set detail = '{"name":"d"}', hash = '${forged?.hash ?? ''}' where seq = 2`,
    );
    expect(await faultOf()).toEqual([3, 'misplaced']);
  });

  test('a dropped row with the rest moved up', async () => {
    await asOwner(
      UNFENCED,
      'delete from audit where seq = 3',
      'update audit set seq = 3 where seq = 4',
      'update audit set seq = 4 where seq = 5',
    );
    expect(await faultOf()).toEqual([3, 'edited']);
  });

  test('the tail cut: only a commit tells', async () => {
    const anchors = await anchor();
    expect(await faultOf(anchors)).toBe('whole');
    await asOwner(UNFENCED, 'delete from audit where seq >= 4');
    expect(await faultOf()).toBe('whole');
    expect(await faultOf(anchors)).toEqual([4, 'cut']);
  });

  test('everything cut', async () => {
    const anchors = await anchor();
    await asOwner(UNFENCED, 'delete from audit');
    expect(await faultOf(anchors)).toEqual([1, 'cut']);
  });

  test('the tail cut and grown again: the chain fits, the commit does not', async () => {
    const anchors = await anchor();
    await asOwner(UNFENCED, 'delete from audit where seq >= 4');
    await append(entry({ action: 'x' }), entry({ action: 'y' }), entry({ action: 'z' }));
    expect(await faultOf()).toBe('whole');
    expect(await faultOf(anchors)).toEqual([5, 'rewritten']);
  });
});

describe('the role of the control plane', () => {
  beforeEach(() => append(entry()));

  test.each([
    ['update audit set action = action'],
    ['delete from audit'],
    ['truncate audit'],
    ['drop table audit'],
    ['alter table audit disable trigger user'],
    ['alter table audit owner to current_user'],
    ['create or replace function refuse_audit_change() returns trigger language sql as $$ $$'],
    ['delete from kysely_migration'],
  ])('may not: %s', async (statement) => {
    await expect(sql.raw(statement).execute(database.db)).rejects.toMatchObject({ code: '42501' });
    expect(await checkAuditTable(database.db, [])).toMatchObject({
      kind: 'whole',
      head: { seq: 1 },
    });
  });

  test('is not the owner and no superuser', async () => {
    const { rows } = await sql`
      select current_user as role, r.rolsuper as super, pg_has_role(current_user, c.relowner, 'usage') as owner
      from pg_roles r, pg_class c where r.rolname = current_user and c.relname = 'audit'
    `.execute(database.db);
    expect(rows).toEqual([{ role: 'shopyard_app', super: false, owner: false }]);
  });

  test.each(['update audit set action = action', 'delete from audit', 'truncate audit'])(
    'and the triggers stop the owner: %s',
    async (statement) => {
      await expect(asOwner(statement)).rejects.toThrow('never changed or removed');
    },
  );
});
