/** A Chromium to test with: the one that is installed, else the one that a package ships. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A program and what it needs from its environment. */
export type Chromium = {
  readonly executable: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
};

/** What it is started with, also as root and without a network. */
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'];

const INSTALLED = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** `remove` clears up what had to be unpacked. */
export async function findChromium(): Promise<{
  readonly chromium: Chromium;
  readonly remove: () => Promise<void>;
}> {
  const executable = INSTALLED.find((path) => existsSync(path));
  if (executable !== undefined)
    return { chromium: { executable, args: ARGS, env: {} }, remove: () => Promise.resolve() };
  // Unpacked to a folder of this run: two runs that share one would find it half written.
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-chromium-'));
  return {
    chromium: await unpackChromium(folder),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The package unpacks to the folder for temporary files and brings libraries of its own. */
async function unpackChromium(folder: string): Promise<Chromium> {
  const before = process.env.TMPDIR;
  process.env.TMPDIR = folder;
  try {
    const { default: packed, inflate } = await import('@sparticuz/chromium');
    const bin = join(dirname(findPackageJSON('@sparticuz/chromium', import.meta.url) ?? ''), 'bin');
    const executable = await packed.executablePath(bin);
    const libraries = await inflate(join(bin, 'al2023.tar.br'));
    // The package's own configuration names folders of its usual home; without a font it crashes.
    const fonts = join(folder, 'fonts.conf');
    await writeFile(
      fonts,
      `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>${join(folder, 'fonts')}</dir><cachedir>${join(folder, 'cache')}</cachedir></fontconfig>
`,
    );
    return {
      executable,
      args: ARGS,
      env: { LD_LIBRARY_PATH: join(libraries, 'lib'), FONTCONFIG_FILE: fonts },
    };
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
}
