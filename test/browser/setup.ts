/** The browser tests' own set-up: the portal as `npm start` builds it, and a Chromium. */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';
import { setApart } from './apart.ts';
import { findChromium, type Chromium } from './chromium.ts';

declare module 'vitest' {
  interface ProvidedContext {
    chromium: Chromium;
    artefacts: string;
  }
}

const TOP = join(import.meta.dirname, '../..');

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await promisify(execFile)(process.execPath, ['bootstrap/prepare.js'], { cwd: TOP });
  const artefacts = join(TOP, '.artefacts', 'screenshots');
  await mkdir(artefacts, { recursive: true });
  project.provide('artefacts', artefacts);

  const found = await findChromium();
  const { chromium, remove } = await setApart(found.chromium);
  project.provide('chromium', chromium);
  return async () => {
    await remove();
    await found.remove();
  };
}
