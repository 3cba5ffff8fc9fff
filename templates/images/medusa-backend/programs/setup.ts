/**
 * The set-up Job: takes a store from an empty database, or from one of an older version, to a shop
 * that takes orders. It runs at every change of the store, so each step looks first, and what the
 * merchant has changed since stays. Prints a line for each step; a failure ends it with exit code 1.
 */
import { prepareEnvironment, readSecret, readVariable } from './environment.ts';

/** How long a database may take to answer after its pod became ready. */
const databaseDeadlineMs = 120_000;

async function setUp(): Promise<void> {
  prepareEnvironment();
  const { env } = process;
  // Medusa says a great deal; the steps' own lines are what a reader of the log needs.
  env.LOG_LEVEL ??= 'warn';
  env.MEDUSA_WORKER_MODE = 'server';
  const directory = process.cwd();
  const { connectToDatabase, closeShop, migrateDatabase, openShop, runScripts } =
    await import('../src/shop/lifecycle.ts');

  const database = await runStep('database answers', () =>
    connectToDatabase(readVariable('DATABASE_URL'), databaseDeadlineMs),
  );
  await database.end();
  await runStep('tables are up to date', () => migrateDatabase(directory));
  const shop = await runStep('shop is open', () => openShop(directory));
  try {
    // src/migration-scripts, once each: the first of them makes what a first sale needs.
    await runStep('data is up to date', () => runScripts(directory, shop));
    const { grantAdmin, grantKeys } = await import('../src/shop/access.ts');
    const admin = {
      email: readSecret('admin', 'email'),
      password: readSecret('admin', 'password'),
    };
    await runStep('admin can sign in', () => grantAdmin(shop.container, admin));
    const keys = {
      secret: readSecret('api', 'secret_key'),
      publishable: readSecret('api', 'publishable_key'),
    };
    await runStep('keys open the API', () => grantKeys(shop.container, keys));
  } finally {
    await closeShop(shop);
  }
}

async function runStep<Result>(name: string, step: () => Promise<Result>): Promise<Result> {
  const started = performance.now();
  const result = await step();
  console.log(`setup: ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  return result;
}

setUp().then(
  // Medusa leaves timers and connections behind.
  () => process.exit(0),
  (error: unknown) => {
    console.error('setup: failed:', error);
    process.exit(1);
  },
);
