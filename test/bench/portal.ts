/**
 * The largest paint of each page, in a browser slowed four times, against that of an empty page on
 * the same server (`/healthz`: two letters), in alternating rounds.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { chromium as playwright, type Browser, type BrowserContext } from 'playwright-core';
import { findChromium } from '../browser/chromium.ts';
import { median, type Goal, type Measurement } from './report.ts';
import type { Whole, Workshop } from './workshop.ts';

const TOP = join(import.meta.dirname, '../..');
const ROUNDS = 5;
const SLOWED = 4;
const EMPTY = '/healthz';

export async function measurePortal(workshop: Workshop): Promise<Measurement> {
  await promisify(execFile)(process.execPath, ['bootstrap/prepare.js'], { cwd: TOP });
  const whole = await workshop.startWhole('portal');
  const store = await makeStore(whole);
  const { chromium, remove } = await findChromium();
  const browser = await playwright.launch({
    executablePath: chromium.executable,
    args: [...chromium.args],
    env: { ...process.env, ...chromium.env },
  });
  try {
    return await measurePages(browser, whole, [
      '/sign-in',
      '/stores',
      '/stores/new',
      `/stores/${store}`,
      `/stores/${store}/history`,
      `/stores/${store}/logs`,
      `/stores/${store}/resources`,
      `/stores/${store}/settings`,
      '/changes',
      '/fleet',
      '/tenants',
      '/members',
      '/audit',
      '/health',
      '/account',
      '/account/tokens',
    ]);
  } finally {
    await browser.close();
    await remove();
  }
}

async function makeStore(whole: Whole): Promise<string> {
  const made = await whole.call('POST', '/api/stores', { name: 'tulips', type: 'woocommerce' });
  const { id } = (made as { store: { id: string } }).store;
  for (;;) {
    const { store } = (await whole.call('GET', `/api/stores/${id}`)) as {
      store: { status: string };
    };
    if (store.status === 'ready') return id;
    if (store.status !== 'provisioning') throw new Error(`the store is ${store.status}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

async function measurePages(
  browser: Browser,
  whole: Whole,
  paths: readonly string[],
): Promise<Measurement> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await page.goto(`${whole.url}/sign-in`);
  await page.getByLabel('E-mail').fill(whole.email);
  await page.getByLabel('Password').fill(whole.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(`${whole.url}/stores`);
  await page.close();

  const all = [EMPTY, ...paths];
  const paints = new Map<string, number[]>(all.map((path) => [path, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const path of round % 2 === 0 ? all : all.toReversed())
      paints.get(path)?.push(await measurePaint(context, `${whole.url}${path}`));
    console.error(`portal: round ${String(round + 1)} of ${String(ROUNDS)}`);
  }
  const medians = new Map([...paints].map(([path, values]) => [path, median(values)]));
  const empty = medians.get(EMPTY) ?? Number.NaN;
  const goals = paths.map((path): Goal => {
    const name = path.slice(1).replace(/st_[^/]+/, 'one');
    return {
      id: `portal/${name}`,
      ratio: (medians.get(path) ?? Number.NaN) / empty,
      bound: 3,
      wanted: 'at-most',
    };
  });
  return { goals, details: { slowed: SLOWED, largestPaintMs: Object.fromEntries(medians) } };
}

/** Milliseconds from the start of the navigation to the largest paint, with an empty cache. */
async function measurePaint(context: BrowserContext, url: string): Promise<number> {
  const page = await context.newPage();
  try {
    const devtools = await context.newCDPSession(page);
    await devtools.send('Network.setCacheDisabled', { cacheDisabled: true });
    await devtools.send('Emulation.setCPUThrottlingRate', { rate: SLOWED });
    await page.goto(url, { waitUntil: 'load' });
    return await page.evaluate<number>(LARGEST_PAINT);
  } finally {
    await page.close();
  }
}

/** The newest candidate a second after the last one. */
const LARGEST_PAINT = `new Promise((resolve) => {
  let newest = 0;
  let timer;
  const settle = () => {
    clearTimeout(timer);
    timer = setTimeout(() => resolve(newest), 1000);
  };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) newest = entry.startTime;
    settle();
  }).observe({ type: 'largest-contentful-paint', buffered: true });
  settle();
})`;
