/**
 * A shop's orders on its page: the chart for those who see and point, a table for everybody. The
 * cluster is the practice one under another name, so that its shops are asked; a stand-in answers.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sendJson, startShopServer, wooCommerceOrder } from '../reads/shop-server.ts';
import { ApiClient } from '../support/control-plane-process.ts';
import { openPractice } from '../support/practice.ts';
import {
  expectAccessible,
  expectContrast,
  launchBrowser,
  openContext,
  settle,
  takePicture,
} from './browser.ts';
import { signIn } from './people.ts';
import { startProductWith, type Product } from './product.ts';

const TODAY = new Date().toISOString().slice(0, 10);

let stack: AsyncDisposableStack;
let product: Product;
let browser: Browser;
beforeAll(async () => {
  await using starting = new AsyncDisposableStack();
  const orders = [
    wooCommerceOrder({ date_created_gmt: `${TODAY}T00:00:01`, total: '29.35' }),
    wooCommerceOrder({ id: 726, number: '726', date_created_gmt: `${TODAY}T00:00:00`, total: '70.65' }),
  ]; // prettier-ignore
  const shop = await startShopServer((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://shop');
    if (pathname.endsWith('/orders')) sendJson(response, 200, orders);
    else sendJson(response, 404, {});
  });
  starting.defer(() => shop.close());
  const practice = await openPractice({ speed: 15 });
  starting.defer(() => practice.close());
  product = starting.use(
    await startProductWith({ ...practice.env, SHOPYARD_INGRESS_URL: shop.url }),
  );
  browser = await launchBrowser();
  starting.defer(() => browser.close());
  stack = starting.move();
});
afterAll(() => stack.disposeAsync());

test('each day’s orders can be read by keyboard and by a screen reader', async () => {
  const api = new ApiClient(product.url, product.token);
  const { store } = await api.create({ name: 'tulips', type: 'woocommerce' });
  await api.waitFor(store.id, 'ready', ({ status }) => status === 'ready');
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
