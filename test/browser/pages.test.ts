/**
 * Every page as somebody sees it: nothing that axe objects to, light and dark; no sideways scroll on
 * a phone; a picture of each when asked for; and how much JavaScript a first visit loads.
 */
import { statSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import type { Browser, BrowserContext, Page, Route } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Store } from '../../control-plane/src/contract.ts';
import { ApiClient } from '../support/control-plane-process.ts';
import { callFaults } from '../support/practice-faults.ts';
import {
  expectAccessible,
  expectContrast,
  expectNoSidewaysScroll,
  launchBrowser,
  openContext,
  settle,
  takeFailure,
  takePicture,
} from './browser.ts';
import { invite, inviteOwner, join, signIn } from './people.ts';
import { startProduct, type Product } from './product.ts';

const CLIENT = joinPath(import.meta.dirname, '../../portal/build/client');
/** Kilobytes of gzip: every page has more than this, the list of stores and every page at most that. */
const LEAST = 40;
const LIST_MOST = 120;
const PAGE_MOST = 160;

let product: Product;
let browser: Browser;
let api: ApiClient;
let store: string;
/** Of the bakers: made to fail, and made to be degraded once it is ready. */
let failing: string;
let degraded: string;
let invitation: string;

/** Who looks: the operator, the bakers' people, and the owner of a tenant that has nothing yet. */
type Person = 'operator' | 'owner' | 'viewer' | 'newcomer';
/** Their cookies: signing in is rate-limited, and this is not its test. */
const sessions = new Map<Person, Awaited<ReturnType<BrowserContext['storageState']>>>();
const PASSWORD = 'a password of their own';

async function remember(person: Person, enter: (page: Page) => Promise<void>): Promise<void> {
  const context = await openContext(browser);
  await enter(await context.newPage());
  sessions.set(person, await context.storageState());
  await context.close();
}

beforeAll(async () => {
  [product, browser] = await Promise.all([startProduct(), launchBrowser()]);
  api = new ApiClient(product.url, product.token);
  invitation = await inviteOwner(product, 'florists', 'mara@florists.example');
  const baker = await inviteOwner(product, 'bakers', 'ben@bakers.example');
  await callFaults(product.kubeconfig, 'PUT', '/pretzels/sync-error');
  const make = async (store: object): Promise<string> =>
    (await api.create({ type: 'woocommerce', ...store })).store.id;
  failing = await make({ name: 'pretzels', tenant: 'bakers' });
  degraded = await make({ name: 'rolls', tenant: 'bakers' });
  store = await make({ name: 'tulips' });

  await remember('operator', (page) => signIn(page, product, product.operator));
  await remember('owner', (page) => join(page, baker, PASSWORD));
  const viewer = await invite(product, 'bakers', 'viewer', 'vera@bakers.example');
  await remember('viewer', (page) => join(page, viewer, PASSWORD));
  const newcomer = await inviteOwner(product, 'rivals', 'nina@rivals.example');
  await remember('newcomer', (page) => join(page, newcomer, PASSWORD));

  const isReady = ({ status }: Store): boolean => status === 'ready';
  await api.waitFor(store, 'ready', isReady);
  await api.waitFor(degraded, 'ready', isReady);
  await callFaults(product.kubeconfig, 'PUT', '/rolls/degraded');
});
afterAll(async () => {
  await browser.close();
  await product[Symbol.asyncDispose]();
});

type Visit = {
  readonly name: string;
  readonly path: () => string;
  /** The operator if nobody is named; null is without a session. */
  readonly as?: Person | null;
  readonly status?: number;
  /** What is waited for before. */
  readonly after?: () => Promise<unknown>;
  /** What is done there before the look. */
  readonly act?: (page: Page) => Promise<void>;
};

const ofStore =
  (rest = '') =>
  (): string =>
    `/stores/${store}${rest}`;
const untilFailed = (): Promise<unknown> =>
  api.waitFor(failing, 'failed', ({ status }) => status === 'failed', { mayFail: true });

const PAGES: readonly Visit[] = [
  { name: 'sign-in', path: () => '/sign-in', as: null },
  {
    name: 'sign-in-refused',
    path: () => '/sign-in',
    as: null,
    act: async (page) => {
      await page.getByLabel('E-mail').fill('nobody@example.org');
      await page.getByLabel('Password').fill('not a password of anyone');
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('alert').waitFor();
      await page.getByText('Practice cluster.').waitFor();
    },
  },
  { name: 'reset-password', path: () => '/reset-password', as: null },
  { name: 'invitation', path: () => new URL(invitation).pathname, as: null },
  { name: 'invitation-unknown', path: () => '/invitations/unknown', as: null },
  { name: 'stores', path: () => '/stores' },
  {
    name: 'stores-open',
    path: () => '/stores',
    // The banner and a row's menu, unfolded.
    act: async (page) => {
      await page.getByText('What is real?').click();
      await page.locator('summary[aria-label^="More about"]').first().click();
      await page.getByRole('link', { name: 'Details' }).waitFor();
    },
  },
  {
    name: 'account-menu',
    path: () => '/stores',
    act: async (page) => {
      await page.locator('header summary').click();
      await page.getByRole('button', { name: 'Sign out' }).waitFor();
    },
  },
  { name: 'stores-empty', path: () => '/stores', as: 'newcomer' },
  { name: 'stores-of-a-viewer', path: () => '/stores', as: 'viewer' },
  { name: 'stores-of-a-tenant', path: () => '/stores?tenant=bakers' },
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
  {
    name: 'new-store-no-tenant',
    path: () => '/stores/new',
    act: async (page) => {
      await page.getByLabel('Name', { exact: true }).fill('roses');
      await page.getByText('kind: Application').waitFor();
      await page.getByText('Options', { exact: true }).click();
      await page.getByLabel('Tenant', { exact: true }).fill('nobody');
      await page.locator('#field-tenant[aria-invalid=true]').waitFor();
      await page.getByText('There is no tenant nobody.').waitFor();
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
  {
    name: 'store-reveal-refused',
    path: () => `/stores/${degraded}`,
    as: 'owner',
    act: async (page) => {
      // Who joined just now has just shown the password: for them it is refused on the way.
      const password = page.getByLabel('Your Shopyard password');
      if ((await password.count()) > 0) {
        await password.fill('not the password');
        await page.getByRole('button', { name: 'Reveal' }).click();
        await page.locator('[aria-invalid=true]').waitFor();
      }
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
  { name: 'store-drift', path: ofStore('/drift') },
  {
    name: 'store-rollback-refused',
    path: ofStore('/history'),
    act: async (page) => {
      // It has had one state only: there is nothing to go back to.
      await page.locator('main a[href*="/history/"]').first().click();
      await page.waitForURL(/\/history\/[0-9a-f]+/);
      await page.goto(`${page.url()}/rollback`);
      await page.getByText('This cannot be rolled back to').waitFor();
    },
  },
  { name: 'store-logs', path: ofStore('/logs') },
  { name: 'store-resources', path: ofStore('/resources') },
  { name: 'store-settings', path: ofStore('/settings') },
  {
    name: 'store-settings-diff',
    path: ofStore('/settings'),
    act: async (page) => {
      await page.getByRole('radio', { name: /large/i }).check();
      await page.getByRole('button', { name: 'Show the commit' }).first().click();
      await page.getByText('plan: large').first().waitFor();
    },
  },
  {
    name: 'store-delete-refused',
    path: ofStore('/settings'),
    act: async (page) => {
      await page.getByLabel('Type tulips to confirm').fill('roses');
      await page.getByRole('button', { name: 'Delete tulips for good' }).click();
      await page.locator('[aria-invalid=true]').waitFor();
    },
  },
  { name: 'store-settings-of-a-viewer', path: () => `/stores/${degraded}/settings`, as: 'viewer' },
  {
    name: 'store-degraded',
    path: () => `/stores/${degraded}`,
    as: 'owner',
    after: () => api.waitFor(degraded, 'degraded', ({ status }) => status === 'degraded'),
    act: (page) => page.getByText('keeps ending').first().waitFor(),
  },
  { name: 'store-unknown', path: () => '/stores/st_aaaaaaaaaaaaaaaa', status: 404 },
  { name: 'changes', path: () => '/changes' },
  {
    name: 'change',
    path: () => '/changes',
    act: async (page) => {
      await page.locator('main ol a[href*="/changes/"]').first().click();
      await page.waitForURL(/\/changes\/[0-9a-f]+/);
    },
  },
  { name: 'reviews', path: () => '/changes/reviews' },
  { name: 'fleet', path: () => '/fleet' },
  {
    name: 'upgrades',
    path: () => '/fleet/upgrades',
    act: async (page) => {
      await page.getByRole('button', { name: 'How many would that be?' }).click();
      await page.getByText('No store would be upgraded').waitFor();
    },
  },
  { name: 'tenants', path: () => '/tenants' },
  { name: 'tenants-none-match', path: () => '/tenants?q=nobody-is-called-this' },
  { name: 'tenant-new', path: () => '/tenants/new' },
  { name: 'members', path: () => '/members' },
  {
    name: 'members-of-an-owner',
    path: () => '/members',
    as: 'owner',
    // One question asked, and an invitation shown this once.
    act: async (page) => {
      await page.getByLabel('E-mail').fill('max@bakers.example');
      await page.getByRole('button', { name: 'Invite', exact: true }).click();
      await page.getByText('It is shown this once').waitFor();
      await page.locator('summary[aria-label^="Remove"]').first().click();
      await page.getByText('sees nothing of').first().waitFor();
    },
  },
  { name: 'forbidden', path: () => '/fleet', as: 'viewer', status: 403 },
  { name: 'audit', path: () => '/audit' },
  {
    name: 'audit-of-an-owner',
    path: () => '/audit',
    as: 'owner',
    act: async (page) => {
      await page.locator('main details summary').first().click();
      await page.getByText('Only theirs').first().waitFor();
    },
  },
  { name: 'audit-none-match', path: () => '/audit?action=nothing-is-called-this' },
  { name: 'health', path: () => '/health' },
  { name: 'account', path: () => '/account' },
  {
    name: 'account-refused',
    path: () => '/account',
    as: 'owner',
    act: async (page) => {
      await page.getByLabel('Password now').fill('not the password');
      await page.getByLabel('New password').fill('a new password');
      await page.getByLabel('Once more').fill('another password');
      await page.getByRole('button', { name: 'Set the new password' }).click();
      await page.locator('[aria-invalid=true]').waitFor();
      // The last owner cannot leave.
      await page.locator('summary[aria-label^="Leave"]').click();
      await page.getByRole('button', { name: 'Leave bakers' }).click();
      await page.getByText('Make somebody else an owner first').waitFor();
    },
  },
  { name: 'account-tokens', path: () => '/account/tokens' },
  {
    name: 'account-token-made',
    path: () => '/account/tokens',
    as: 'owner',
    act: async (page) => {
      await page.getByLabel('Name', { exact: true }).fill('Deploy script');
      await page.getByRole('button', { name: 'Make the token' }).click();
      await page.getByText('It is shown this once').waitFor();
      await page.locator('summary[aria-label^="Revoke"]').first().click();
    },
  },
  { name: 'nowhere', path: () => '/nowhere', status: 404 },
  {
    name: 'broken',
    path: () => '/members',
    as: 'owner',
    // What is shown when the server has nothing to say but that it failed, once.
    act: async (page) => {
      // There is nothing to save as soon as the page's script runs.
      await page.locator('button.invisible').first().waitFor({ state: 'attached' });
      const fail = (route: Route): Promise<void> => route.fulfill({ status: 500 });
      await page.route('**/changes/__data.json*', fail, { times: 1 });
      await page.getByRole('link', { name: 'Changes' }).first().click();
      await page.getByRole('heading', { name: 'That did not work' }).waitFor();
      await page.getByText('Your shops are not affected').waitFor();
    },
  },
  { name: 'store-failed', path: () => `/stores/${failing}`, as: 'owner', after: untilFailed },
  {
    name: 'store-failed-of-a-viewer',
    path: () => `/stores/${failing}`,
    as: 'viewer',
    after: untilFailed,
  },
];

/** Page → the paths of the scripts that a first visit asked for. */
const scripts = new Map<string, ReadonlySet<string>>();

test.each(PAGES)('$name', async (visit) => {
  await visit.after?.();
  const page = await open(visit);
  await visit.act?.(page).catch((error: unknown) => describeFailure(page, visit.name, error));
  await settle(page);
  await expectAccessible(page);
  await takePicture(page, `${visit.name}-light`);
  await page.emulateMedia({ colorScheme: 'dark' });
  await settle(page);
  await expectContrast(page);
  await takePicture(page, `${visit.name}-dark`);
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 360, height: 800 });
  await expectNoSidewaysScroll(page);
  await takePicture(page, `${visit.name}-phone`);
  // Scripts come after the page: they are all here when nothing more is asked for.
  await page.waitForLoadState('networkidle');
  await page.context().close();
});

async function open({ name, path, as = 'operator', status = 200, act }: Visit): Promise<Page> {
  const session = as === null ? undefined : sessions.get(as);
  const context = await openContext(browser, {
    reducedMotion: 'reduce',
    ...(session === undefined ? {} : { storageState: session }),
  });
  const page = await context.newPage();
  const asked = new Set<string>();
  if (act === undefined) scripts.set(name, asked);
  page.on('request', (request) => {
    if (request.resourceType() === 'script') asked.add(new URL(request.url()).pathname);
  });
  // What is done there may need the page's scripts.
  const waitUntil = act === undefined ? 'load' : 'networkidle';
  const answer = await page.goto(`${product.url}${path()}`, { waitUntil });
  expect(answer?.status(), path()).toBe(status);
  return page;
}

/** What was seen instead. */
async function describeFailure(page: Page, name: string, error: unknown): Promise<never> {
  await takeFailure(page, name);
  const seen = await page.innerText('body').catch(() => 'nothing');
  throw new Error(`${String(error)}\nat ${page.url()}, which shows:\n${seen}`, { cause: error });
}

test('a first visit loads little JavaScript', () => {
  const sizes: Record<string, number> = {};
  for (const [name, paths] of scripts) {
    const bytes = [...paths].map((path) => statSync(joinPath(CLIENT, `${path}.gz`)).size);
    sizes[name] = Math.ceil(bytes.reduce((sum, size) => sum + size, 0) / 1024);
  }
  console.log('kB of gzipped JavaScript:', JSON.stringify(sizes));
  // Less is no page of ours: something was not waited for.
  expect(Math.min(...Object.values(sizes))).toBeGreaterThan(LEAST);
  expect(sizes['stores']).toBeLessThanOrEqual(LIST_MOST);
  expect(Math.max(...Object.values(sizes))).toBeLessThanOrEqual(PAGE_MOST);
});

test('while the API fails, nothing is loaded that would cost somebody the page', async () => {
  const page = await open({ name: 'stores', path: () => '/stores', act: () => Promise.resolve() });
  // A load that fails twice makes the browser load all of it anew, and this be forgotten.
  await page.evaluate('globalThis.isTheSame = true');
  const asked: string[] = [];
  let refused = 0;
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  const refuse = async (route: Route): Promise<void> => {
    refused += 1;
    // What began before goes on.
    if (refused === 1) asked.length = 0;
    await route.fulfill({ status: 503 });
  };
  await page.route('**/api/me', refuse);
  // The event of a new store makes the list load again.
  await api.create({ name: 'lilies', type: 'woocommerce' });
  await expect.poll(() => refused, { timeout: 60_000 }).toBeGreaterThan(1);
  expect(asked).not.toContain('/stores/__data.json');
  expect(await page.evaluate('globalThis.isTheSame')).toBe(true);

  await page.unroute('**/api/me');
  await page.getByRole('link', { name: 'lilies' }).first().waitFor();
  await page.context().close();
});

test('a page that the network drops on its way is asked for again', async () => {
  const page = await open({ name: 'stores', path: () => '/stores', act: () => Promise.resolve() });
  let dropped = 0;
  const drop = async (route: Route): Promise<void> => {
    dropped += 1;
    await route.abort('internetdisconnected');
  };
  await page.route('**/changes/__data.json*', drop, { times: 2 });
  await page.getByRole('link', { name: 'Changes' }).first().click();
  await page.getByRole('heading', { name: 'Changes', level: 1 }).waitFor();
  expect(dropped).toBe(2);
  await page.context().close();
});

test('an operator is suggested tenants, a page of them, and those that have what is typed', async () => {
  for (let number = 1; number <= 20; number += 1)
    await api.call('POST', '/api/tenants', { slug: `guild-${number}`, name: `Guild ${number}` });
  const suggested = (page: Page): Promise<string[]> =>
    page.evaluate("Array.from(document.querySelectorAll('#tenants option'), ({ value }) => value)");
  const visit = { name: 'new-store', path: () => '/stores/new' };
  const page = await open({ ...visit, act: () => Promise.resolve() });
  const first = await suggested(page);
  expect(first).toHaveLength(20);
  expect(first).not.toContain('florists');
  await page.getByText('Options', { exact: true }).click();
  await page.getByLabel('Tenant', { exact: true }).fill('floris');
  await expect.poll(() => suggested(page)).toEqual(['florists']);
  await page.context().close();

  // Without JavaScript it is a field to type in, with the first of them.
  const context = await openContext(browser, {
    javaScriptEnabled: false,
    storageState: sessions.get('operator') ?? expect.fail(),
  });
  const plain = await context.newPage();
  await plain.goto(`${product.url}/stores/new`);
  expect(await plain.locator('#tenants option').count()).toBe(20);
  await plain.getByText('Options', { exact: true }).click();
  await plain.getByLabel('Name', { exact: true }).fill('roses');
  await plain.getByLabel('Tenant', { exact: true }).fill('nobody');
  await plain.getByRole('button', { name: 'Commit and create' }).click();
  await plain.locator('#field-tenant[aria-invalid=true]').waitFor();
  expect(await plain.locator('#field-tenant-error').innerText()).toBe('There is no tenant nobody.');
  await context.close();
});
