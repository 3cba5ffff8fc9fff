/**
 * What a shop's pages show of others: its own orders, as a chart for those who see and point and as a
 * table for everybody; and the logs that Loki keeps of pods that are gone. The cluster is the practice
 * one under another name, so that its shops are asked; stand-ins answer, for shop and Loki.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startLokiStandIn, type LokiStandIn } from '../logs/loki-stand-in.ts';
import { sendJson, startShopServer, wooCommerceOrder } from '../reads/shop-server.ts';
import type { Store } from '../../control-plane/src/contract.ts';
import { ApiClient } from '../support/control-plane-process.ts';
import { openPractice } from '../support/practice.ts';
import {
  expectAccessible,
  expectContrast,
  expectNoSidewaysScroll,
  launchBrowser,
  openContext,
  settle,
  takePicture,
} from './browser.ts';
import { signIn } from './people.ts';
import { startProductWith, type Product } from './product.ts';

let stack: AsyncDisposableStack;
let product: Product;
let loki: LokiStandIn;
let store: Store;
let browser: Browser;
beforeAll(async () => {
  await using starting = new AsyncDisposableStack();
  // Of today, whichever day it is when it is asked.
  const listOrders = () => {
    const today = new Date().toISOString().slice(0, 10);
    return [
      wooCommerceOrder({ date_created_gmt: `${today}T00:00:01`, total: '29.35' }),
      wooCommerceOrder({ id: 726, number: '726', date_created_gmt: `${today}T00:00:00`, total: '70.65' }),
    ]; // prettier-ignore
  };
  const shop = await startShopServer((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://shop');
    if (pathname.endsWith('/orders')) sendJson(response, 200, listOrders());
    else sendJson(response, 404, {});
  });
  starting.defer(() => shop.close());
  loki = await startLokiStandIn();
  starting.defer(() => loki.close());
  const practice = await openPractice({ speed: 15 });
  starting.defer(() => practice.close());
  product = starting.use(
    await startProductWith({
      ...practice.env,
      SHOPYARD_INGRESS_URL: shop.url,
      SHOPYARD_LOKI_URL: loki.url,
      SHOPYARD_LOKI_TENANT: 'shops',
    }),
  );
  const api = new ApiClient(product.url, product.token);
  ({ store } = await api.create({ name: 'tulips', type: 'woocommerce' }));
  await api.waitFor(store.id, 'ready', ({ status }) => status === 'ready');
  browser = await launchBrowser();
  starting.defer(() => browser.close());
  stack = starting.move();
});
afterAll(() => stack.disposeAsync());

test('each day’s orders can be read by keyboard and by a screen reader', async () => {
  const context = await openContext(browser, { reducedMotion: 'reduce' });
  const page = await context.newPage();
  await signIn(page, product, product.operator);
  await page.goto(`${product.url}/stores/${store.id}`);
  await page.getByRole('img', { name: /^Revenue a day over 30 days, €100 in all/ }).waitFor();

  await page.getByText('Day by day').waitFor();
  await reach(page, 'Day by day');
  await page.keyboard.press('Enter');
  const table = page.getByRole('table', { name: 'Orders and revenue by day' });
  const today = table.getByRole('row').nth(1);
  await today.waitFor();
  expect(await today.getByRole('cell').allInnerTexts()).toEqual(['2', '€100.00']);
  expect(await table.getByRole('row').count()).toBe(31);

  // It is longer than its frame, which the keyboard reaches and scrolls.
  await reach(page, 'Orders and revenue by day');
  await page.keyboard.press('End');
  await expect
    .poll(() => page.evaluate<number>('document.activeElement.scrollTop'))
    .toBeGreaterThan(0);

  await settle(page);
  await expectAccessible(page);
  await takePicture(page, 'store-orders-light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await settle(page);
  await expectContrast(page);
  await takePicture(page, 'store-orders-dark');
  await context.close();
});

test('the logs of a pod that is gone are kept by Loki', async () => {
  const GONE = { namespace: store.namespace, pod: 'wordpress-6f-gone', container: 'web' };
  await keepLog(GONE, [
    'PHP Warning: Undefined array key "coupon" in checkout.php on line 118',
    'PHP Fatal error: Allowed memory size of 268435456 bytes exhausted',
  ]);
  const context = await openContext(browser, { reducedMotion: 'reduce' });
  const page = await context.newPage();
  await signIn(page, product, product.operator);
  await page.goto(`${product.url}/stores/${store.id}/logs`);
  await page.getByText('Gone from the cluster, kept by Loki').waitFor();
  await page.getByRole('link', { name: 'wordpress-6f-gone: web' }).click();
  const log = page.getByRole('region', { name: 'Log' });
  await log.getByText('Allowed memory size').waitFor();
  expect(await page.locator('a[aria-current=true]').allInnerTexts()).toEqual([
    'Last day',
    'wordpress-6f-gone: web',
  ]);
  await settle(page);
  await expectAccessible(page);
  await takePicture(page, 'store-logs-loki-light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.setViewportSize({ width: 360, height: 740 });
  await settle(page);
  await expectContrast(page);
  await expectNoSidewaysScroll(page);
  await takePicture(page, 'store-logs-loki-phone');

  await page.getByRole('link', { name: 'Last hour' }).click();
  await page.locator('a[aria-current=true]', { hasText: 'Last hour' }).waitFor();
  await log.getByText('Allowed memory size').waitFor();

  loki.fault = (_request, response) => (response.writeHead(503).end('overloaded'), true);
  await page.goto(`${product.url}/stores/${store.id}/logs`);
  await page.getByText('“overloaded”. These are the cluster’s own logs').waitFor();
  await settle(page);
  await expectAccessible(page);
  await takePicture(page, 'store-logs-without-loki-phone');
  await context.close();
});

/** As if it had been written when the store was asked for: nothing older is believed to be its own. */
async function keepLog(stream: Readonly<Record<string, string>>, lines: readonly string[]) {
  const at = Date.parse(store.createdAt);
  const values = lines.map((line, index) => [`${at + 1 + index}000000`, line]);
  const answer = await fetch(`${loki.url}/loki/api/v1/push`, {
    method: 'POST',
    headers: { 'x-scope-orgid': 'shops' },
    body: JSON.stringify({ streams: [{ stream, values }] }),
  });
  expect(answer.status).toBe(204);
}

/** Tabs on until the focus is on what has this name or text. */
async function reach(page: Page, name: string): Promise<void> {
  for (let step = 0; step < 60; step += 1) {
    await page.keyboard.press('Tab');
    const here = await page.evaluate<string>(
      '(document.activeElement.ariaLabel ?? document.activeElement.innerText).trim()',
    );
    if (here === name) return;
  }
  throw new Error(`the keyboard never reached “${name}”`);
}
