/** better-auth's own look at the database: that what our migration made is what it works with. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApi, type Api } from '../api/support.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

async function check(at: Api): Promise<void> {
  const { explicitSchemaCheck } = await at.accounts.auth.$context;
  if (explicitSchemaCheck === undefined) throw new Error('better-auth checks no schema.');
  await explicitSchemaCheck();
}

test('better-auth finds every table and column that it wants', async () => {
  await expect(check(api)).resolves.toBeUndefined();
});

test.each([
  ['sessions', 'confirmed_at'],
  ['tenants', 'metadata'],
  ['members', 'tenant_id'],
  ['invitations', 'secret_hash'],
])('it would miss %s.%s', async (table, column) => {
  const own = await startApi();
  const owner = new pg.Client({ connectionString: own.databaseUrl });
  await owner.connect();
  try {
    await owner.query(`alter table ${table} rename column ${column} to elsewhere`);
    await expect(check(own)).rejects.toThrow(column);
  } finally {
    await owner.end();
    await own.close();
  }
});
