/**
 * What a merchant does with a shop after its first day, on a cluster that keeps what is deleted, and
 * where somebody agrees to what takes something away.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { findFreePort } from '../support/free-port.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import {
  expectAccessible,
  expectNoSidewaysScroll,
  launchBrowser,
  openContext,
  settle,
  takeFailure,
  takePicture,
} from './browser.ts';
import { signIn } from './people.ts';
import { startProductWith, type Product } from './product.ts';

const READY_MS = 60_000;

let folder: string;
let database: TestDatabase;
let product: Product;
let browser: Browser;

beforeAll(async () => {
  folder = await mkdtemp(joinPath(tmpdir(), 'shopyard-lifecycle-'));
  const settings = joinPath(folder, 'cluster.yaml');
  await writeFile(settings, 'retentionDays: 7\nreview: destructive\n');
  database = await createTestDatabase();
  [product, browser] = await Promise.all([
    startProductWith({
      SHOPYARD_CLUSTER: 'practice',
      SHOPYARD_CLUSTER_SETTINGS: settings,
      SHOPYARD_FORGE_PORT: String(await findFreePort()),
      SHOPYARD_STORE_PORT: String(await findFreePort()),
      DATABASE_URL: database.url,
    }),
    launchBrowser(),
  ]);
});
afterAll(async () => {
  await browser.close();
  await product[Symbol.asyncDispose]();
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

test('change, roll back, suspend, start again, delete, protect, delete again, restore', async () => {
  const context = await openContext(browser, { reducedMotion: 'reduce' });
  const page = await context.newPage();
  onTestFailed(async () => {
    await takeFailure(page, 'lifecycle');
    console.log(page.url(), await page.innerText('main').catch(() => ''));
  });
  const become = (word: string) =>
    page.locator('main header').getByText(word, { exact: true }).waitFor({ timeout: READY_MS });
  const agree = async () => {
    await page.getByRole('link', { name: /^pull request \d+$/ }).click();
    await page.getByRole('button', { name: 'Approve and merge' }).click();
    await page.getByText('Approved; it is being merged.').waitFor();
    await page.goto(shop);
    // Until it is merged, what is asked for next takes its place.
    await page.getByText('The last change waits for a review').waitFor({ state: 'hidden' });
  };
  const open = (tab: string) => page.getByRole('link', { name: tab, exact: true }).click();

  await signIn(page, product, product.operator);
  await page.goto(`${product.url}/stores/new`);
  await page.getByLabel('Name', { exact: true }).fill('lantern');
  await page.getByText('free', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Commit and create' }).click();
  await page.waitForURL(/\/stores\/st_/);
  const shop = page.url();
  await become('Ready');

  await page.goto(`${shop}/settings`);
  await page.getByRole('radio', { name: /medium/i }).check();
  await page.getByRole('button', { name: 'Commit the plan' }).click();
  await page.waitForURL(shop);
  await page.getByText('medium', { exact: true }).waitFor();
  await become('Ready');

  await open('History');
  await page.getByRole('link', { name: /^Create store lantern/ }).click();
  await page.getByRole('link', { name: 'Roll back to this' }).click();
  await page.getByText('plan: small').first().waitFor();
  await look(page, 'store-rollback');
  await page.getByRole('button', { name: 'Open pull request' }).click();
  await page.waitForURL(shop);
  await agree();
  await page.getByText('small', { exact: true }).waitFor();
  await become('Ready');

  await page.goto(`${shop}/settings`);
  await page.getByRole('button', { name: 'Suspend the shop' }).click();
  await page.waitForURL(shop);
  await become('Suspended');
  await look(page, 'store-suspended');
  await page.getByRole('button', { name: 'Start the shop again' }).click();
  await become('Ready');

  await page.goto(`${shop}/settings`);
  await page.getByRole('button', { name: 'Protect against deletion' }).click();
  await page.getByText('take the protection back first').waitFor();
  expect(await page.getByLabel('Type lantern to confirm').count()).toBe(0);
  await page.getByRole('button', { name: 'Take the protection back' }).click();
  await page.getByText('7 days', { exact: true }).waitFor();
  const remove = async () => {
    await page.getByLabel('Type lantern to confirm').fill('lantern');
    await page.getByRole('button', { name: 'Delete lantern', exact: true }).click();
    await page.waitForURL(shop);
    await page.getByText('lantern is deleted when somebody has agreed').first().waitFor();
    await page.getByText('The shop is to be deleted').waitFor();
    await become('Ready');
  };
  await remove();
  await look(page, 'store-to-be-deleted');
  await page.goto(`${shop}/settings`);
  await page.getByText('It takes back the delete that waits.').waitFor();
  await look(page, 'settings-to-be-deleted');
  await page.getByRole('button', { name: 'Protect against deletion' }).click();
  await page.getByRole('button', { name: 'Take the protection back' }).click();
  await remove();
  await agree();
  await page.getByText(/Deleted; its data is kept until/).waitFor();
  await page.getByText(/^Data kept/).waitFor({ timeout: READY_MS });
  await look(page, 'store-kept');
  await page.getByRole('button', { name: 'Restore the shop' }).click();
  await become('Ready');
  await context.close();
}, 300_000);

async function look(page: Page, name: string): Promise<void> {
  await settle(page);
  await expectAccessible(page);
  await takePicture(page, name);
  await page.setViewportSize({ width: 360, height: 800 });
  await expectNoSidewaysScroll(page);
  await takePicture(page, `${name}-phone`);
  await page.setViewportSize({ width: 1280, height: 900 });
}
