/** A browser for one test file, and pictures of what it sees. */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import {
  chromium,
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type Page,
} from 'playwright-core';
import { expect, inject } from 'vitest';

/** How long one act may take: machines stall for longer than any page of ours ever does. */
const PATIENCE_MS = 60_000;

/** Starts the browser; `end` it when done. */
export function launchBrowser(): Promise<Browser> {
  const { executable, args, env } = inject('chromium');
  return chromium.launch({
    executablePath: executable,
    args: [...args],
    env: { ...process.env, ...env },
    // Beside the product's own start, and another file's.
    timeout: 2 * PATIENCE_MS,
  });
}

/** Somebody's visit, with a desktop's width unless told otherwise. */
export async function openContext(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<BrowserContext> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  return context;
}

/** Writes the whole page to the artefacts' folder, as `<name>.png`; `npm run pictures` asks for it. */
export async function takePicture(page: Page, name: string): Promise<void> {
  if (process.env['PICTURES'] !== undefined) await writePicture(page, name);
}

/** What a test saw when it failed, as `failed/<name>.png`; never a failure of its own. */
export async function takeFailure(page: Page, name: string): Promise<void> {
  await writePicture(page, `failed/${name}`).catch(() => undefined);
}

async function writePicture(page: Page, name: string): Promise<void> {
  const path = join(inject('artefacts'), `${name}.png`);
  await mkdir(dirname(path), { recursive: true });
  await page.screenshot({ path, fullPage: true, animations: 'disabled' });
}

/** Lets colours and places arrive where they are going. */
export async function settle(page: Page): Promise<void> {
  await page.evaluate('Promise.allSettled(document.getAnimations().map((one) => one.finished))');
}

/** No violation of WCAG 2.2 A or AA that axe can find, nor of its advice. */
export async function expectAccessible(page: Page): Promise<void> {
  await expectNoViolation(
    page,
    new AxeBuilder({ page }).withTags([
      ...['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    ]),
  );
}

/** The same of what another colour scheme changes on a page that is accessible. */
export async function expectContrast(page: Page): Promise<void> {
  const rules = ['color-contrast', 'link-in-text-block'];
  await expectNoViolation(page, new AxeBuilder({ page }).withRules(rules));
}

async function expectNoViolation(page: Page, axe: AxeBuilder): Promise<void> {
  const { violations } = await axe.analyze();
  expect(
    violations.map(({ id, help, nodes }) => ({ id, help, where: nodes.map((node) => node.html) })),
    page.url(),
  ).toEqual([]);
}

/** Nothing sticks out to the side. */
export async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const { content, window } = await page.evaluate<{ content: number; window: number }>(
    '({ content: document.documentElement.scrollWidth, window: document.documentElement.clientWidth })',
  );
  expect(content, `${page.url()} scrolls sideways`).toBeLessThanOrEqual(window);
}
