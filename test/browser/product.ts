/** The whole product as `npm start` runs it, on ports of its own. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readLog, startControlPlaneProcess } from '../support/control-plane-process.ts';
import { findFreePort } from '../support/free-port.ts';
import { createTestDatabase } from '../support/postgres.ts';

export type SignIn = { readonly email: string; readonly password: string };

export type Product = AsyncDisposable & {
  readonly url: string;
  /** An operator's API token. */
  readonly token: string;
  /** The first sign-in, as the start printed it. */
  readonly operator: SignIn;
  /** Of the practice cluster, when it is on one. */
  readonly kubeconfig: string;
};

const TOKEN = 'browser-test-operator-token';

/** On the practice cluster, with a database of its own on the tests' Postgres. */
export async function startProduct(): Promise<Product> {
  await using stack = new AsyncDisposableStack();
  const database = await createTestDatabase();
  stack.defer(() => database.close());
  const product = await startProductWith({
    SHOPYARD_CLUSTER: 'practice',
    SHOPYARD_FORGE_PORT: String(await findFreePort()),
    SHOPYARD_STORE_PORT: String(await findFreePort()),
    DATABASE_URL: database.url,
  });
  stack.use(product);
  const owned = stack.move();
  return { ...product, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** With these settings; without a DATABASE_URL on a Postgres of its own. */
export async function startProductWith(env: Readonly<Record<string, string>>): Promise<Product> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-browser-'));
  await chmod(folder, 0o755);
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const log = join(folder, 'log');
  const running = await startControlPlaneProcess({
    port: await findFreePort(),
    log,
    env: {
      SHOPYARD_DATA_DIR: join(folder, 'data'),
      SHOPYARD_LOG_LEVEL: 'warn',
      SHOPYARD_BOOTSTRAP_TOKEN: TOKEN,
      ...env,
    },
  });
  stack.defer(async () => {
    await running.stop();
  });
  const signIn = /^Sign in as (\S+) with the password (\S+) /m;
  const [, email = '', password = ''] = signIn.exec(await readLog(log, signIn)) ?? [];
  const owned = stack.move();
  return {
    url: running.url,
    token: env.SHOPYARD_BOOTSTRAP_TOKEN ?? TOKEN,
    operator: { email, password },
    kubeconfig: join(folder, 'data', 'practice', 'kubeconfig'),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
