/**
 * The store's server: API and admin, the worker, or both in one process (MEDUSA_WORKER_MODE). What
 * `medusa start` does, in this process, so that a pod holds one Node and signals reach it.
 */
import { prepareEnvironment } from './environment.ts';

async function serve(): Promise<void> {
  prepareEnvironment();
  const { serveShop } = await import('../src/shop/lifecycle.ts');
  await serveShop(process.cwd(), Number(process.env.PORT ?? '9000'));
}

serve().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
