/**
 * Every page as somebody sees it: nothing that axe objects to, light and dark; no sideways scroll on
 * a phone; a picture of each in the artefacts' folder; and how much JavaScript a first visit loads.
 */
import { statSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ApiClient } from '../support/control-plane-process.ts';
import { expectAccessible, expectNoSidewaysScroll, launchBrowser, takePicture } from './browser.ts';
import { inviteOwner, signIn } from './people.ts';
import { startProduct, type Product } from './product.ts';

const CLIENT = joinPath(import.meta.dirname, '../../portal/build/client');
/** Kilobytes of gzip: of the list of stores, and of any page. */
const LIST_MOST = 120;
const PAGE_MOST = 160;

let product: Product;
let browser: Browser;
let api: ApiClient;
let store: string;
let invitation: string;
/** The cookies of a signed-in operator: signing in is rate-limited, and this is not its test. */
let session: Awaited<ReturnType<BrowserContext['storageState']>>;
beforeAll(async () => {
  [product, browser] = await Promise.all([startProduct(), launchBrowser()]);
  api = new ApiClient(product.url, product.token);
  invitation = await inviteOwner(product, 'florists', 'mara@florists.example');
  const made = await api.create({ name: 'tulips', type: 'woocommerce' });
  store = made.store.id;
  await api.waitFor(store, 'ready', ({ status }) => status === 'ready');
  const context = await browser.newContext();
  await signIn(await context.newPage(), product, product.operator);
  session = await context.storageState();
  await context.close();
});
afterAll(async () => {
  await browser.close();
  await product[Symbol.asyncDispose]();
});

type Visit = {
  readonly name: string;
  readonly path: () => string;
  /** Without a session. */
  readonly signedOut?: true;
  readonly status?: number;
  /** What is done there before the look. */
  readonly act?: (page: Page) => Promise<void>;
};

const ofStore =
  (rest = '') =>
  (): string =>
    `/stores/${store}${rest}`;

const PAGES: readonly Visit[] = [
  { name: 'sign-in', path: () => '/sign-in', signedOut: true },
  {
    name: 'sign-in-refused',
    path: () => '/sign-in',
    signedOut: true,
    act: async (page) => {
      await page.getByLabel('E-mail').fill('nobody@example.org');
      await page.getByLabel('Password').fill('not a password of anyone');
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('alert').waitFor();
    },
  },
  { name: 'reset-password', path: () => '/reset-password', signedOut: true },
  { name: 'invitation', path: () => new URL(invitation).pathname, signedOut: true },
  { name: 'invitation-unknown', path: () => '/invitations/unknown', signedOut: true },
  { name: 'stores', path: () => '/stores' },
  { name: 'stores-none-match', path: () => '/stores?q=nothing-is-called-this' },
  { name: 'new-store', path: () => '/stores/new' },
  {
    name: 'new-store-diff',
    path: () => '/stores/new',
    act: async (page) => {
      await page.getByLabel('Name', { exact: true }).fill('roses');
      await page.getByText('kind: Application').waitFor();
    },
  },
  {
    name: 'new-store-refused',
    path: () => '/stores/new',
    act: async (page) => {
      await page.getByLabel('Name', { exact: true }).fill('tulips!');
      await page.locator('[aria-invalid=true]').waitFor();
    },
  },
  { name: 'store', path: ofStore() },
  {
    name: 'store-revealed',
    path: ofStore(),
    act: async (page) => {
      const password = page.getByLabel('Your Shopyard password');
      if ((await password.count()) > 0) await password.fill(product.operator.password);
      await page.getByRole('button', { name: 'Reveal' }).click();
      await page.getByRole('button', { name: 'Copy the password' }).waitFor();
    },
  },
  { name: 'store-history', path: ofStore('/history') },
  {
    name: 'store-change',
    path: ofStore('/history'),
    act: async (page) => {
      await page.locator('main a.code, main a[href*="/history/"]').first().click();
      await page.waitForURL(/\/history\/[0-9a-f]+/);
    },
  },
  { name: 'store-logs', path: ofStore('/logs') },
  { name: 'store-resources', path: ofStore('/resources') },
  { name: 'store-settings', path: ofStore('/settings') },
  { name: 'store-unknown', path: () => '/stores/st_aaaaaaaaaaaaaaaa', status: 404 },
  { name: 'changes', path: () => '/changes' },
  {
    name: 'change',
    path: () => '/changes',
    act: async (page) => {
      await page.locator('main a[href*="/changes/"]').first().click();
      await page.waitForURL(/\/changes\/[0-9a-f]+/);
    },
  },
  { name: 'fleet', path: () => '/fleet' },
  { name: 'tenants', path: () => '/tenants' },
  { name: 'tenant-new', path: () => '/tenants/new' },
  { name: 'members', path: () => '/members' },
  { name: 'audit', path: () => '/audit' },
  { name: 'health', path: () => '/health' },
  { name: 'account', path: () => '/account' },
  { name: 'account-tokens', path: () => '/account/tokens' },
  { name: 'nowhere', path: () => '/nowhere', status: 404 },
];

test.each(PAGES)('$name', async (visit) => {
  for (const colorScheme of ['light', 'dark'] as const) {
    const wide = await look(visit, { colorScheme, width: 1280 });
    await expectAccessible(wide);
    await takePicture(wide, `${visit.name}-${colorScheme}`);
    await wide.context().close();
  }
  const phone = await look(visit, { colorScheme: 'light', width: 360 });
  await expectNoSidewaysScroll(phone);
  await takePicture(phone, `${visit.name}-phone`);
  await phone.context().close();
});

async function look(
  { path, signedOut, status = 200, act }: Visit,
  { colorScheme, width }: { colorScheme: 'light' | 'dark'; width: number },
): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme,
    reducedMotion: 'reduce',
    ...(signedOut === true ? {} : { storageState: session }),
  });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const answer = await page.goto(`${product.url}${path()}`);
  expect(answer?.status(), path()).toBe(status);
  await act?.(page);
  return page;
}

test('a first visit loads little JavaScript', async () => {
  const sizes: Record<string, number> = {};
  for (const visit of PAGES.filter(({ act }) => act === undefined)) {
    const context = await browser.newContext(
      visit.signedOut === true ? {} : { storageState: session },
    );
    const page = await context.newPage();
    const scripts = new Set<string>();
    page.on('request', (request) => {
      if (request.resourceType() === 'script') scripts.add(new URL(request.url()).pathname);
    });
    await page.goto(`${product.url}${visit.path()}`, { waitUntil: 'load' });
    const bytes = [...scripts].map((path) => statSync(joinPath(CLIENT, `${path}.gz`)).size);
    sizes[visit.name] = Math.ceil(bytes.reduce((sum, size) => sum + size, 0) / 1024);
    await context.close();
  }
  console.log('kB of gzipped JavaScript:', JSON.stringify(sizes));
  expect(sizes['stores']).toBeGreaterThan(0);
  expect(sizes['stores']).toBeLessThanOrEqual(LIST_MOST);
  expect(Math.max(...Object.values(sizes))).toBeLessThanOrEqual(PAGE_MOST);
});
