/** What `npm start` does first, in a checkout of its own, with a stand-in for npm. */
import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';

let checkout: string;
let asked: string;
beforeEach(async () => {
  checkout = await mkdtemp(join(tmpdir(), 'shopyard-prepare-'));
  asked = join(checkout, 'asked');
  await mkdir(join(checkout, 'bootstrap'));
  await mkdir(join(checkout, 'node_modules'));
  await cp(join(import.meta.dirname, 'prepare.js'), join(checkout, 'bootstrap/prepare.js'));
  await writeFile(join(checkout, 'package.json'), '{"type": "module"}');
  const npm = join(checkout, 'npm');
  await writeFile(npm, `#!/bin/sh\necho "$*" >>${asked}\n`);
  await chmod(npm, 0o755);
  await write('package-lock.json', {
    'node_modules/node': { version: '24.0.0', integrity: 'sha512-a', dev: true },
    'node_modules/for-another-machine': { version: '1.0.0', integrity: 'sha512-b', optional: true },
    'node_modules/portal': { link: true },
  });
});
afterEach(() => rm(checkout, { recursive: true, force: true }));

const write = (file: string, packages: object) =>
  writeFile(join(checkout, file), JSON.stringify({ packages }));

/** What it asked npm for. */
async function prepare(): Promise<string> {
  const PATH = `${checkout}:${process.env.PATH ?? ''}`;
  const script = join(checkout, 'bootstrap/prepare.js');
  await promisify(execFile)(process.execPath, [script], { env: { PATH, NODE_ENV: 'production' } });
  return readFile(asked, 'utf8').catch(() => '');
}

test('installs all that the lock file names, whatever is said of the environment', async () => {
  // With NODE_ENV=production npm leaves out what is for development: the Node that runs it, the portal’s build.
  expect(await prepare()).toMatch(/^ci .*--include=dev.*\n$/);
});

test('installs nothing when npm’s record has it all, without what is for other machines', async () => {
  await write('node_modules/.package-lock.json', {
    'node_modules/node': { version: '24.0.0', integrity: 'sha512-a', dev: true },
    'node_modules/portal': { link: true },
  });
  expect(await prepare()).toBe('');
});

test.each([
  ['another version', { version: '24.1.0', integrity: 'sha512-c' }],
  ['another content', { version: '24.0.0', integrity: 'sha512-d' }],
])('installs again over %s', async (_what, node) => {
  await write('node_modules/.package-lock.json', {
    'node_modules/node': node,
    'node_modules/portal': { link: true },
  });
  expect(await prepare()).toMatch(/^ci /);
});
