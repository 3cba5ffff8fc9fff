/** vitest's global set-up: one real Postgres for the whole run, with a migrated template database. */
import { mkdtemp, rm, chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../control-plane/src/db/embedded.ts';
import { migrate } from '../../control-plane/src/db/open.ts';

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string;
  }
}

export const TEMPLATE = 'shopyard_template';

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-postgres-'));
  await chmod(folder, 0o755);
  // The tests' data is thrown away: durability would only cost time here.
  const server = await startEmbeddedPostgres(join(folder, 'postgres'), {
    settings: ['fsync=off', 'max_connections=200'],
  });
  const admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  await admin.query(`create database ${TEMPLATE}`);
  await admin.end();
  await migrate(server.url.replace(/[^/]+$/, TEMPLATE));
  project.provide('postgresUrl', server.url);
  return async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
}
