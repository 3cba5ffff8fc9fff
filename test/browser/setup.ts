/** The browser tests' own set-up: the portal as `npm start` builds it, and a Chromium. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';

/** A Chromium and what it needs from its environment. */
export type Chromium = {
  readonly executable: string;
  readonly env: Readonly<Record<string, string>>;
};

declare module 'vitest' {
  interface ProvidedContext {
    chromium: Chromium;
    artefacts: string;
  }
}

const TOP = join(import.meta.dirname, '../..');
const INSTALLED = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await promisify(execFile)(process.execPath, ['bootstrap/prepare.js'], { cwd: TOP });
  const artefacts = join(TOP, '.artefacts', 'screenshots');
  await mkdir(artefacts, { recursive: true });
  project.provide('artefacts', artefacts);

  const installed = INSTALLED.find((path) => existsSync(path));
  if (installed !== undefined) {
    project.provide('chromium', { executable: installed, env: {} });
    return () => Promise.resolve();
  }
  // Unpacked to a folder of this run: two runs that share one would find it half written.
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-chromium-'));
  project.provide('chromium', await unpackChromium(folder));
  return () => rm(folder, { recursive: true, force: true });
}

/** The package unpacks to the folder for temporary files and brings libraries of its own. */
async function unpackChromium(folder: string): Promise<Chromium> {
  const before = process.env.TMPDIR;
  process.env.TMPDIR = folder;
  try {
    const { default: packed, inflate } = await import('@sparticuz/chromium');
    const bin = join(dirname(fileURLToPath(import.meta.resolve('@sparticuz/chromium'))), '../bin');
    const executable = await packed.executablePath(bin);
    const libraries = await inflate(join(bin, 'al2023.tar.br'));
    return {
      executable,
      env: {
        LD_LIBRARY_PATH: join(libraries, 'lib'),
        FONTCONFIG_PATH: join(folder, 'fonts'),
      },
    };
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
}
