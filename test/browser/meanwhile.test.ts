/** What somebody does on a page outlives what happens meanwhile, and a page loads no more than that. */
import type { Browser, BrowserContext, Page, Route } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Store } from '../../control-plane/src/contract.ts';
import { ApiClient } from '../support/control-plane-process.ts';
import { launchBrowser, openContext } from './browser.ts';
import { invite, inviteOwner, join, signIn } from './people.ts';
import { startProduct, type Product } from './product.ts';

let product: Product;
let browser: Browser;
let api: ApiClient;
/** The operator's. */
let session: Awaited<ReturnType<BrowserContext['storageState']>>;
let tulips: string;
let context: BrowserContext | undefined;

const isReady = ({ status, stage }: Store): boolean => status === 'ready' && stage === 'ready';

beforeAll(async () => {
  [product, browser] = await Promise.all([startProduct(), launchBrowser()]);
  api = new ApiClient(product.url, product.token);
  context = await openContext(browser);
  await signIn(await context.newPage(), product, product.operator);
  session = await context.storageState();
  await context.close();
  tulips = (await api.create({ name: 'tulips', type: 'woocommerce' })).store.id;
  await api.waitFor(tulips, 'ready', isReady);
});
afterEach(async () => {
  await context?.close();
  context = undefined;
});
afterAll(async () => {
  await browser.close();
  await product[Symbol.asyncDispose]();
});

/** A page whose scripts are there. The operator's, unless nobody is signed in. */
async function open(path: string, storageState: typeof session | null = session): Promise<Page> {
  context = await openContext(browser, storageState === null ? {} : { storageState });
  const page = await context.newPage();
  await page.goto(`${product.url}${path}`, { waitUntil: 'networkidle' });
  return page;
}

test('a link to set a password is still there after two that differ', async () => {
  const page = await open('/reset-password?token=of-a-mail', null);
  await page.getByLabel('New password').fill('a password of my own');
  await page.getByLabel('Once more').fill('another one than that');
  await page.getByRole('button', { name: 'Set the password' }).click();
  await page.locator('[aria-invalid=true]').waitFor();
  await page.getByLabel('Once more').fill('a password of my own');
  await page.getByRole('button', { name: 'Set the password' }).click();
  // The token is sent again: it is none of ours.
  await page.getByRole('alert').waitFor();
  expect(await page.getByLabel('New password').count()).toBe(1);
  expect(new URL(page.url()).searchParams.get('token')).toBe('of-a-mail');
});

test.each(['/stores/ID/drift', '/changes?tenant=nobody'])(
  'what was heard of a store is loaded once: %s',
  async (path) => {
    const page = await open(path.replace('ID', tulips));
    let loads = 0;
    page.on('request', (request) => {
      if (request.url().includes('/__data.json')) loads += 1;
    });
    const { plan } = await api.read(tulips);
    const wanted = plan === 'small' ? 'medium' : 'small';
    await api.call('PATCH', `/api/stores/${tulips}`, { plan: wanted });
    await api.waitFor(tulips, wanted, (now) => isReady(now) && now.plan === wanted);
    await expect.poll(() => loads).toBeGreaterThan(0);
    // It comes to rest.
    const countFor = async (ms: number): Promise<number> => {
      loads = 0;
      await page.waitForTimeout(ms);
      return loads;
    };
    await expect.poll(() => countFor(3000), { timeout: 30_000 }).toBe(0);
  },
);

test('a page stays as it is while what it shows cannot be read, and is loaded when it can', async () => {
  const page = await open(`/stores/${tulips}/drift`);
  let loads = 0;
  page.on('request', (request) => {
    if (request.url().includes('/__data.json')) loads += 1;
  });
  let refused = 0;
  const path = `/api/stores/${tulips}/drift`;
  await page.route(
    ({ pathname }) => pathname === path,
    (route) => {
      refused += 1;
      return route.fulfill({ status: 503, json: { code: 'repository_unavailable' } });
    },
    { times: 2 },
  );
  await api.call('POST', `/api/stores/${tulips}/retry`);
  await expect.poll(() => refused, { timeout: 30_000 }).toBeGreaterThan(0);
  expect(loads).toBe(0);
  await expect.poll(() => loads, { timeout: 30_000 }).toBeGreaterThan(0);
  expect(refused).toBe(2);
  await page.getByText('Its files are as they were written.').waitFor();
});

test('what a form has done is said, though an answer that said it was dropped', async () => {
  const page = await open(`/stores/${tulips}/settings`);
  let dropped = 0;
  // As when a page is loaded again at the same moment, for what was heard of its store.
  await page.route(
    '**/__data.json*',
    async (route) => {
      dropped += 1;
      await route.fetch();
      await route.continue();
    },
    { times: 1 },
  );
  await page.getByRole('button', { name: 'Protect against deletion' }).click();
  const words = page.getByText('Protected: nobody deletes it before this is taken back.');
  await words.waitFor();
  expect(dropped).toBe(1);
  expect(await words.count()).toBe(1);
  const cookies = await page.context().cookies();
  expect(cookies.map(({ name }) => name)).not.toContain('flash');
  await page.getByRole('button', { name: 'Take the protection back' }).click();
  await page.getByText('No longer protected against deletion.').waitFor();
  expect(await words.count()).toBeLessThan(2);
});

test('what is typed into a search stays while the answer to less of it comes', async () => {
  const page = await open('/stores');
  const field = page.getByRole('searchbox');
  const asked: string[] = [];
  let letThrough = (): void => undefined;
  const typed = new Promise<void>((resolve) => (letThrough = resolve));
  await page.route('**/stores/__data.json*', async (route: Route) => {
    asked.push(new URL(route.request().url()).searchParams.get('q') ?? '');
    await typed;
    await route.continue();
  });
  await field.pressSequentially('red ');
  await expect.poll(() => asked.join()).toContain('red');
  await field.pressSequentially('shoe');
  letThrough();
  await page.waitForURL(/q=red\+shoe$/);
  await field.press('s');
  await page.waitForURL(/q=red\+shoes$/);
  expect(await field.inputValue()).toBe('red shoes');
  // Another address, by a link: what it searches for shows.
  await page.getByRole('link', { name: 'Stores', exact: true }).first().click();
  await expect.poll(() => field.inputValue()).toBe('');
});

test('a search that was not yet made does not bring one back', async () => {
  const page = await open('/stores');
  await page.getByRole('searchbox').pressSequentially('tul');
  await page.getByRole('link', { name: 'Changes' }).first().click();
  await page.getByRole('heading', { name: 'Changes', level: 1 }).waitFor();
  await page.waitForTimeout(1000);
  expect(new URL(page.url()).pathname).toBe('/changes');
});

test('a form that the network loses stays as it was typed, to be sent again', async () => {
  const page = await open('/stores/new');
  await page.getByLabel('Name', { exact: true }).fill('peonies');
  await page.getByText('free', { exact: true }).waitFor();
  let lost = 0;
  const lose = (route: Route): Promise<void> => {
    lost += 1;
    return route.abort('internetdisconnected');
  };
  await page.route(({ pathname }) => pathname === '/stores/new', lose, { times: 1 });
  await page.getByRole('button', { name: 'Commit and create' }).click();
  await page.getByText('No answer came').waitFor();
  expect(lost).toBe(1);
  expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('peonies');
  await page.getByRole('button', { name: 'Commit and create' }).click();
  await page.waitForURL(/\/stores\/st_/);
});

test('a preview goes when something else is chosen than it shows', async () => {
  const page = await open('/fleet/upgrades');
  await page.getByRole('button', { name: 'How many would that be?' }).click();
  await page.getByText('No store would be upgraded.').waitFor();
  await page.getByText('All that have an older version').click();
  await page.getByText('No store would be upgraded.').waitFor({ state: 'detached' });

  await page.goto(`${product.url}/stores/${tulips}/settings`, { waitUntil: 'networkidle' });
  const { plan } = await api.read(tulips);
  const form = page.locator('form', { hasText: 'Commit the plan' });
  await form.getByRole('radio', { name: plan === 'small' ? 'Medium' : 'Small' }).check();
  await form.getByRole('button', { name: 'Show the commit' }).click();
  await form.getByText('plan: ', { exact: false }).first().waitFor();
  await form.getByRole('radio', { name: 'Large' }).check();
  await form.getByText('plan: ', { exact: false }).first().waitFor({ state: 'detached' });
});

test('a tab sees that another one of it acts for another organisation now', async () => {
  const link = await inviteOwner(product, 'bakers', 'ben@bakers.example');
  context = await openContext(browser);
  const first = await context.newPage();
  await join(first, link, 'a password of their own');
  await api.call('POST', '/api/tenants', { slug: 'smiths', name: 'smiths' });
  const second = await invite(product, 'smiths', 'viewer', 'ben@bakers.example');
  await first.goto(second);
  await first.getByRole('button', { name: 'Join' }).click();
  await first.waitForURL(/\/stores$/);
  await first.locator('header').getByText('smiths').first().waitFor();

  const other = await context.newPage();
  await other.goto(`${product.url}/stores`, { waitUntil: 'networkidle' });
  await other.locator('header summary').click();
  await other.getByRole('button', { name: 'bakers' }).click();
  await other.getByRole('link', { name: 'Open the first shop' }).waitFor();
  // A viewer of the smiths could not; an owner of the bakers can.
  await first.getByRole('link', { name: 'Open the first shop' }).waitFor();
  await first.locator('header').getByText('bakers').first().waitFor();
});
