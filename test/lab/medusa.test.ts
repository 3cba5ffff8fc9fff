/**
 * A Medusa shop in real pods, from the POST to its first order and through what may happen to it after that: a restore,
 * a new chart version, the loss of every pod. One story on one shop; a failed step ends it.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { OrderSummary, type Store } from '../../control-plane/src/contract.ts';
import { launchBrowser, openContext, takeFailure, takePicture } from '../browser/browser.ts';
import { upgradeChart } from './chart-upgrade.ts';
import { startLabControlPlane, type LabControlPlane } from './control-plane.ts';
import { readSample } from '../support/exposition.ts';
import { exists, kubectl, listObjects, readMetrics, readSecret, runJob, send } from './lab.ts';

const story = Date.now().toString(36).slice(-4);
let controlPlane: LabControlPlane;
let browser: Browser;
let shop: Store;
/** Numbers of the orders that were placed, oldest first. */
const placed: string[] = [];

beforeAll(async () => {
  controlPlane = await startLabControlPlane(9_802);
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser.close();
  await controlPlane.stop();
});

/** Numbers of all orders, by the shop's own admin API. */
async function readOrders(): Promise<string[]> {
  const { secret_key: key = '' } = await readSecret('store-api', shop.namespace);
  const answer = await send(new URL(shop.url).hostname, '/admin/orders?fields=display_id', {
    authorization: `Basic ${Buffer.from(`${key}:`).toString('base64')}`,
  });
  expect(answer.status, answer.body).toBe(200);
  const { orders } = z
    .object({ orders: z.array(z.object({ display_id: z.number() })) })
    .parse(JSON.parse(answer.body));
  return orders.map((order) => String(order.display_id)).sort((a, b) => Number(a) - Number(b));
}

/** Waits until the shop serves again and has these orders. */
async function expectOrders(numbers: readonly string[]): Promise<void> {
  await vi.waitFor(async () => expect(await readOrders()).toEqual(numbers), {
    timeout: 240_000,
    interval: 500,
  });
}

/** From the catalogue to the confirmation, by links and forms alone. Returns the order's number. */
async function buySomething(page: Page): Promise<string> {
  await page.goto(shop.url);
  await page.locator('main a[href^="/products/"]').first().click();
  await page.getByLabel('Quantity').fill('2');
  await page.getByRole('button', { name: 'Add to cart' }).click();
  await page.getByRole('link', { name: 'Check out' }).click();
  await page.getByLabel('E-mail').fill('ada@example.com');
  await page.getByLabel('First name').fill('Ada');
  await page.getByLabel('Last name').fill('Lovelace');
  await page.getByLabel('Street and number').fill('Unter den Linden 1');
  await page.getByLabel('Postal code').fill('10117');
  await page.getByLabel('City').fill('Berlin');
  await page.getByRole('button', { name: 'Place the order' }).click();
  const heading = page.getByRole('heading', { level: 1, name: /^Order \d+ is placed$/ });
  const [number = ''] = /\d+/.exec((await heading.textContent()) ?? '') ?? [];
  await takePicture(page, 'lab/medusa-order');
  return number;
}

test('a store becomes ready, in real pods', async () => {
  controlPlane.diagnoseOnFailure();
  const { api } = controlPlane;
  const startedAt = Date.now();
  const { store } = await api.create({ name: `medusa-${story}`, type: 'medusa' });
  shop = await api.waitFor(store.id, 'ready', ({ status }) => status === 'ready');
  const stages = await api.readStages(shop.id);
  console.log(
    stages
      .map(({ stage, startedAt: at }) => `${stage} ${(Date.parse(at) - startedAt) / 1_000} s`)
      .join(', '),
  );
  const pods = await listObjects<{ metadata: { name: string } }>(
    'pods', '-n', shop.namespace, '--field-selector=status.phase=Running',
  ); // prettier-ignore
  expect(pods.map(({ metadata }) => metadata.name.split('-')[0]).sort()).toEqual([
    'backend', 'database', 'redis', 'web',
  ]); // prettier-ignore
});

test('a visitor buys something through the storefront, without JavaScript', async () => {
  controlPlane.diagnoseOnFailure();
  const page = await (await openContext(browser, { javaScriptEnabled: false })).newPage();
  // Traefik gathers changes for two seconds before it serves a new host.
  await vi.waitFor(async () => expect((await page.goto(shop.url))?.status()).toBe(200), {
    timeout: 30_000,
  });
  try {
    placed.push(await buySomething(page));
  } catch (error) {
    await takeFailure(page, 'medusa');
    throw error;
  } finally {
    await page.context().close();
  }
});

test('the owner’s test order is the next one', async () => {
  controlPlane.diagnoseOnFailure();
  const answer = await controlPlane.api.call('POST', `/api/stores/${shop.id}/test-order`);
  expect(answer).toMatchObject({ status: 201, body: { currency: 'EUR' } });
  placed.push((answer.body as { number: string }).number);
});

test('both are in the shop’s admin and in the portal’s orders', async () => {
  controlPlane.diagnoseOnFailure();
  await expectOrders(placed);
  const answer = await controlPlane.api.call('GET', `/api/stores/${shop.id}/orders`);
  const { recent, problem, currency } = OrderSummary.parse(answer.body);
  expect(problem).toBeNull();
  expect(currency).toBe('EUR');
  expect(recent.map(({ number }) => number)).toEqual(placed.toReversed());
  expect(recent.at(-1)).toMatchObject({ customer: 'ada@example.com' });

  // The login that the portal reveals opens the admin.
  const { username = '', password = '' } = await readSecret('store-admin', shop.namespace);
  const host = new URL(shop.url).hostname;
  const body = JSON.stringify({ email: username, password });
  const login = await send(host, '/auth/user/emailpass', { 'content-type': 'application/json' }, body); // prettier-ignore
  expect(login.status, login.body).toBe(200);
  expect((await send(host, '/app')).status).toBe(200);
});

test('Prometheus is told of both and of the connections, and visitors are not', async () => {
  controlPlane.diagnoseOnFailure();
  const pods = await readMetrics(shop, 'backend');
  expect(pods).toHaveLength(1);
  for (const families of pods) {
    const read = (...of: [name: string, labels?: string]) => readSample(families, ...of);
    expect(read('shopyard_store_orders', 'status="pending"')).toBe(placed.length);
    expect(read('shopyard_store_database_up')).toBe(1);
    expect(read('shopyard_store_database_connections')).toBeGreaterThan(1);
    expect(read('shopyard_store_database_connections_limit')).toBeGreaterThan(10);
  }
  for (const path of ['/metrics', '/store/metrics', '/admin/metrics'])
    expect((await send(new URL(shop.url).hostname, path)).body).not.toContain('shopyard_store_');
});

test('what is deleted after a backup comes back with a restore', async () => {
  controlPlane.diagnoseOnFailure();
  await runJob('backup', shop.namespace);
  await kubectl(
    'exec', '-n', shop.namespace, 'database-0', '--', 'sh', '-c',
    'PGPASSWORD=$(cat /secrets/internal/database-password) psql -h 127.0.0.1 -U medusa -d medusa -v ON_ERROR_STOP=1 -c \'TRUNCATE "order" CASCADE\'',
  ); // prettier-ignore
  expect(await readOrders()).toEqual([]);
  await runJob('restore', shop.namespace);
  await expectOrders(placed);
});

test('every pod is lost, the orders are not', async () => {
  controlPlane.diagnoseOnFailure();
  await kubectl('delete', 'pods', '--all', '-n', shop.namespace, '--wait=true');
  await expectOrders(placed);
  await controlPlane.api.waitFor(shop.id, 'ready', ({ status }) => status === 'ready');
});

test('a new version of the chart keeps them, too', async () => {
  controlPlane.diagnoseOnFailure();
  await upgradeChart(controlPlane, shop);
  await expectOrders(placed);
});

test('a delete leaves no namespace and no volume', async () => {
  controlPlane.diagnoseOnFailure();
  const { api } = controlPlane;
  await api.delete(shop.id);
  await api.waitFor(shop.id, 'deleted', ({ status }) => status === 'deleted', { mayFail: true });
  expect(await exists('namespace', shop.namespace)).toBe(false);
  type Volume = { spec: { claimRef?: { namespace: string } } };
  await vi.waitFor(
    async () => {
      const volumes = await listObjects<Volume>('persistentvolumes');
      expect(volumes.filter(({ spec }) => spec.claimRef?.namespace === shop.namespace)).toEqual([]);
    },
    { timeout: 60_000, interval: 500 },
  );
});
