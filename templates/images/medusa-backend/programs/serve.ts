/**
 * The store's server: API and admin, the worker, or both in one process (MEDUSA_WORKER_MODE). What
 * `medusa start` does, in this process, so that a pod holds one Node and signals reach it. With METRICS_PORT
 * it tells Prometheus of the shop there.
 */
import { serveMetrics } from '../src/shop/metrics.ts';
import { prepareEnvironment, readVariable } from './environment.ts';

async function serve(): Promise<void> {
  prepareEnvironment();
  const { connectToDatabase, serveShop } = await import('../src/shop/lifecycle.ts');
  if (process.env.METRICS_PORT !== undefined) {
    const url = readVariable('DATABASE_URL');
    serveMetrics(Number(process.env.METRICS_PORT), () => connectToDatabase(url, 0));
  }
  await serveShop(process.cwd(), Number(process.env.PORT ?? '9000'));
}

serve().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
