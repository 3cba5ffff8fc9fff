/** A merchant's day in a real browser, on the whole product with the practice cluster. */
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { launchBrowser, openContext, takeFailure } from './browser.ts';
import { inviteOwner, join, liveTheDay, signIn } from './people.ts';
import { startProduct, type Product } from './product.ts';

const READY_MS = 60_000;

let product: Product;
let browser: Browser;
beforeAll(async () => {
  [product, browser] = await Promise.all([startProduct(), launchBrowser()]);
});
afterAll(async () => {
  await browser.close();
  await product[Symbol.asyncDispose]();
});

let context: BrowserContext;
let page: Page;
let complaints: string[];
async function open(options: Parameters<Browser['newContext']>[0] = {}): Promise<Page> {
  context = await openContext(browser, options);
  page = await context.newPage();
  complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    // A refused form is a 4xx page, which the browser also mentions.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text());
  });
  return page;
}
beforeEach(() => open());
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') {
    await takeFailure(page, task.name);
    console.log(page.url(), await page.innerText('body').catch(() => ''), complaints);
  }
  await context.close();
  expect(complaints).toEqual([]);
});

test('sign in, create, watch it become ready, open it, reveal its login, delete it', () =>
  liveTheDay(page, product, { name: 'tulips', readyMs: READY_MS }));

test('a second tenant sees nothing of the first one’s stores', async () => {
  await signIn(page, product, product.operator);
  await page.goto(`${product.url}/stores/new`);
  await page.getByLabel('Name', { exact: true }).fill('secret-plans');
  await page.getByText('free', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Commit and create' }).click();
  await page.waitForURL(/\/stores\/st_/);
  const foreign = page.url();
  await context.close();

  const link = await inviteOwner(product, 'rivals', 'mara@rivals.example');
  await open();
  await join(page, link, 'a password of her own');
  await page.getByText('No shop here yet').waitFor();
  for (const path of ['', '/history', '/logs', '/resources', '/settings']) {
    const answer = await page.goto(`${foreign}${path}`);
    expect(answer?.status(), path).toBe(404);
    expect(await page.content()).not.toContain('secret-plans');
  }
  for (const path of ['/tenants', '/fleet', '/health'])
    expect((await page.goto(`${product.url}${path}`))?.status(), path).toBe(403);
});

test('everything works without JavaScript', async () => {
  await context.close();
  await open({ javaScriptEnabled: false });
  await signIn(page, product, product.operator);
  await page.goto(`${product.url}/stores/new`);
  await page.getByLabel('Name', { exact: true }).fill('Not A Name');
  await page.getByRole('button', { name: 'Commit and create' }).click();
  await page.getByText('lower', { exact: false }).first().waitFor();
  expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('Not A Name');
  await page.getByLabel('Name', { exact: true }).fill('quiet');
  await page.getByRole('button', { name: 'Commit and create' }).click();
  await page.waitForURL(/\/stores\/st_/);
  const shop = page.url();
  await expect
    .poll(
      async () => {
        await page.reload();
        return page.getByText('Ready', { exact: true }).first().isVisible();
      },
      { timeout: READY_MS, interval: 1_000 },
    )
    .toBe(true);
  await page.getByLabel('Your Shopyard password').fill(product.operator.password);
  await page.getByRole('button', { name: 'Reveal' }).click();
  await page.getByText('Shown this once', { exact: false }).waitFor();
  await page.goto(`${shop}/settings`);
  await page.getByLabel('Type quiet to confirm').fill('quiet');
  await page.getByRole('button', { name: 'Delete quiet for good' }).click();
  await page.getByText('eleting', { exact: false }).first().waitFor();
});

test('everything works by keyboard alone', async () => {
  await page.goto(`${product.url}/sign-in`);
  await typeInto('E-mail', product.operator.email);
  await typeInto('Password', product.operator.password);
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/stores$/);
  await activate('New store');
  await page.waitForURL(/\/stores\/new$/);
  await typeInto('Name', 'keys');
  await page.getByText('free', { exact: true }).waitFor();
  await activate('Commit and create');
  await page.waitForURL(/\/stores\/st_/);
  await page.getByText('Ready', { exact: true }).first().waitFor({ timeout: READY_MS });
  await activate('Settings');
  await page.waitForURL(/\/settings$/);
  await typeInto('Type keys to confirm', 'keys');
  await activate('Delete keys for good');
  await page.getByText('eleting', { exact: false }).first().waitFor();
});

/** Tabs on until the focus is on what has this name; it must be there, and seen to be. */
async function focus(name: string): Promise<void> {
  for (let step = 0; step < 80; step += 1) {
    await page.keyboard.press('Tab');
    const found = await page.evaluate<{ name: string; outlined: boolean } | null>(FOCUSED);
    if (found?.name !== name) continue;
    expect(found.outlined, `${name} shows its focus`).toBe(true);
    return;
  }
  throw new Error(`the keyboard never reached “${name}” on ${page.url()}`);
}

async function typeInto(name: string, text: string): Promise<void> {
  await focus(name);
  await page.keyboard.type(text);
}

async function activate(name: string): Promise<void> {
  await focus(name);
  await page.keyboard.press('Enter');
}

const FOCUSED = `(() => {
  const at = document.activeElement;
  if (at === null || at === document.body) return null;
  const label = at.labels?.[0]?.firstChild?.textContent ?? at.labels?.[0]?.textContent;
  const style = getComputedStyle(at);
  return {
    name: (at.getAttribute('aria-label') ?? label ?? at.textContent ?? '').trim(),
    outlined: style.outlineStyle !== 'none' || style.boxShadow !== 'none',
  };
})()`;
