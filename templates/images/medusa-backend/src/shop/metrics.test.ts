/**
 * The metrics of a Medusa shop on a real Postgres, with as much of its table of orders as they ask for. A whole shop's
 * are in test/lab/medusa.test.ts.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseExposition, readSample } from '../../../../../test/support/exposition.ts';
import {
  connectAsOwner,
  createTestDatabase,
  type TestDatabase,
} from '../../../../../test/support/postgres.ts';
import { describeShop, serveMetrics, type Connection } from './metrics.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const connect = (): Promise<Connection> => connectAsOwner(database.url);

async function query(statement: string): Promise<unknown[]> {
  const connection = await connect();
  const { rows } = await connection.query(statement);
  await connection.end();
  return rows;
}

const away = (): Promise<Connection> => Promise.reject(new Error('there is no database'));

test('before there are tables the connections are told, and no orders', async () => {
  const families = parseExposition(await describeShop(connect));
  expect(families.map(({ name }) => name)).toEqual([
    'shopyard_store_database_up',
    'shopyard_store_database_connections',
    'shopyard_store_database_connections_limit',
  ]);
  expect(readSample(families, 'shopyard_store_database_connections')).toBeGreaterThan(0);
  expect(readSample(families, 'shopyard_store_database_connections_limit')).toBe(200);
});

test('orders are told by status, without drafts and what was deleted', async () => {
  await query('create table "order" (status text, is_draft_order boolean, deleted_at timestamptz)');
  await query(`insert into "order" values ('pending', false, null), ('pending', false, null),
    ('completed', false, null), ('pending', false, now()), ('draft', true, null)`);
  const families = parseExposition(await describeShop(connect));
  const orders = families.find(({ name }) => name === 'shopyard_store_orders');
  expect(Object.fromEntries(orders?.samples ?? [])).toEqual({
    'status="pending"': 2,
    'status="completed"': 1,
    'status="archived"': 0,
    'status="canceled"': 0,
    'status="requires_action"': 0,
  });
  // It leaves no connection behind.
  const others = `select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`;
  await expect.poll(() => query(others)).toEqual([]);
});

test('with the database away it says so', async () => {
  const families = parseExposition(await describeShop(away));
  expect(families.map(({ name }) => name)).toEqual(['shopyard_store_database_up']);
  expect(readSample(families, 'shopyard_store_database_up')).toBe(0);
});

test('the port answers one path', async () => {
  const server = serveMetrics(0, away);
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const answer = await fetch(`${url}/metrics`);
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(await answer.text()).toContain('shopyard_store_database_up 0\n');
  expect((await fetch(`${url}/`)).status).toBe(404);
  server.close();
});
