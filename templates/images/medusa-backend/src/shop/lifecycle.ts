/**
 * What Medusa's command line does, in this process: `db:migrate`, `db:migrate:scripts` and `start`.
 * Each throws when it did not do all of its work, which the command line does not always say.
 */
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { MedusaContainer } from '@medusajs/framework/types';
import { logger } from '@medusajs/framework/logger';
import { MedusaModule } from '@medusajs/framework/modules-sdk';
import { MigrationScriptsMigrator } from '@medusajs/framework/migrations';
import { Client } from '@medusajs/framework/pg';
import { migrate } from '@medusajs/medusa/commands/db/migrate';
import start from '@medusajs/medusa/commands/start';
import load, { initializeContainer } from '@medusajs/medusa/loaders/index';
import express from 'express';

/** Waits for a database to answer; throws its last error when it does not in time. */
export async function connectToDatabase(url: string, deadlineMs: number): Promise<Client> {
  for (const end = Date.now() + deadlineMs; ; await pause(1000)) {
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 });
    // A database that goes away is told to whoever asks it next; unheard it would end the process.
    client.on('error', () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      if (Date.now() >= end) throw error;
    }
  }
}

/** Makes or alters the tables of all modules and of the links between them. */
export async function migrateDatabase(directory: string): Promise<void> {
  const container = await initializeContainer(directory);
  const done = await migrate({
    directory,
    container,
    logger,
    executeSafeLinks: true,
    executeAllLinks: false,
    skipLinks: false,
    // This project declares no search index; looking for one loads the application once more.
    skipSearch: true,
    executeSafeSearch: false,
    executeAllSearch: false,
    // In a step of their own: here nobody would hear that one of them failed.
    skipScripts: true,
  });
  if (!done) throw new Error('the tables could not be brought up to date');
  // Modules that were loaded to migrate are only half loaded.
  MedusaModule.clearInstances();
}

export interface OpenShop {
  readonly container: MedusaContainer;
  readonly shutdown: () => Promise<void>;
}

/** Serves the application until a signal ends it: what `medusa start` does. */
export async function serveShop(directory: string, port: number): Promise<void> {
  await start({ directory, port });
}

/** Loads the application as a server does, without listening. */
export async function openShop(directory: string): Promise<OpenShop> {
  return load({ directory, expressApp: express(), skipLoadingEntryPoints: true });
}

/**
 * Runs the migration scripts of Medusa and of this project that have not run yet. In the open shop,
 * since a process can load the application only once.
 */
export async function runScripts(directory: string, shop: OpenShop): Promise<void> {
  const { container } = shop;
  const migrator = new MigrationScriptsMigrator({ container });
  await migrator.ensureMigrationsTable();
  await migrator.run([
    join(dirname(require.resolve('@medusajs/medusa')), 'migration-scripts'),
    join(directory, 'src', 'migration-scripts'),
  ]);
}

/** Ends what {@link openShop} started. */
export async function closeShop(shop: OpenShop): Promise<void> {
  await shop.shutdown();
}
