/** A browser for one test file, and pictures of what it sees. */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium, type Browser, type Page } from 'playwright-core';
import { expect, inject } from 'vitest';
import { CHROMIUM_ARGS } from './chromium.ts';

/** Starts the browser; `end` it when done. */
export function launchBrowser(): Promise<Browser> {
  const { executable, env } = inject('chromium');
  return chromium.launch({
    executablePath: executable,
    args: CHROMIUM_ARGS,
    env: { ...process.env, ...env },
  });
}

/** Writes the whole page to the artefacts' folder, as `<name>.png`. */
export async function takePicture(page: Page, name: string): Promise<void> {
  const path = join(inject('artefacts'), `${name}.png`);
  await mkdir(dirname(path), { recursive: true });
  await page.screenshot({ path, fullPage: true, animations: 'disabled' });
}

/** No violation of WCAG 2.2 A or AA that axe can find. */
export async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
    .analyze();
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
