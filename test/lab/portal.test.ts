/** A merchant's day in a real browser, with a real shop: the portal on the lab. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, onTestFailed, test } from 'vitest';
import { launchBrowser, openContext, takeFailure } from '../browser/browser.ts';
import { liveTheDay } from '../browser/people.ts';
import { startProductWith, type Product } from '../browser/product.ts';
import { printDiagnostics } from './lab.ts';

let product: Product | undefined;
let browser: Browser | undefined;
beforeAll(async () => {
  product = await startProductWith({ SHOPYARD_CLUSTER: 'lab' });
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser?.close();
  await product?.[Symbol.asyncDispose]();
});

test('sign in, create, watch it become ready, open it, reveal its login, delete it', async () => {
  if (product === undefined || browser === undefined) throw new Error('nothing was started');
  const page = await (await openContext(browser)).newPage();
  onTestFailed(async () => {
    await takeFailure(page, 'lab');
    await printDiagnostics();
  });
  await liveTheDay(page, product, {
    name: `browser-${Date.now().toString(36).slice(-4)}`,
    readyMs: 240_000,
  });
});
