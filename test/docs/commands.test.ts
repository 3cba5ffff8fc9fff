/**
 * Every command of README, DESIGN and docs/ is run here, in a folder that looks like the checkout, beside
 * a control plane that is all in one process; or another test runs it, which is named below; or the
 * page says what it needs. Those last are run with stand-ins: bash reads them, and the real kubectl,
 * which finds nobody at its address, their options.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { tryCommand, type CommandResult } from '../../bootstrap/lab/command.ts';
import { builtProgram } from '../../bootstrap/lab/parts.ts';
import { resolveLabPaths } from '../../bootstrap/lab/paths.ts';
import { TOP } from '../../control-plane/src/templates.ts';
import {
  ApiClient,
  startControlPlaneProcess,
  type ControlPlaneProcess,
} from '../support/control-plane-process.ts';
import { findFreePort } from '../support/free-port.ts';
import { BLOCKS, splitCommands, type Block } from './pages.ts';

vi.setConfig({ testTimeout: 480_000, hookTimeout: 120_000 });

/** What takes minutes, or a machine of its own: who runs it, in which words. */
const TRIED: readonly (readonly [command: RegExp, by: string, words: string])[] = [
  [
    /^(SHOPYARD_(DATA_DIR|BOOTSTRAP_TOKEN)=\S+ )*npm start$/,
    'test/start/start.test.ts',
    'src/main.ts',
  ],
  [/^npm start -- --role \w+( |$)/, 'test/roles.test.ts', "'--role'"],
  [
    /^SHOPYARD_FORGE=gitea [^]*npm start$/,
    'test/lab/gitea-stores.test.ts',
    "SHOPYARD_FORGE: 'gitea'",
  ],
  [/^npm (ci && npm )?run lab:up$/, '.ci/run', 'npm run --silent lab:up'],
  [/^npm run test:lab$/, '.ci/run', 'npm run test:lab'],
  [/^npm test$/, '.ci/run', 'npm test'],
  [/^npm run golden:update$/, 'test/support/golden.ts', 'GOLDEN_UPDATE'],
];

/** The page that is followed with the control plane stopped, and what is lost before each part of it. */
const RESTORE = 'docs/runbooks/restore-the-platform.md';
const LOST: Readonly<Record<string, string>> = {
  'The whole machine': '.',
  'The database': 'postgres',
};

const TOKEN = 'choose-a-long-secret';
/** What no test may do to the machine that it runs on, and what talks to others. */
const STAND_INS = [
  'createdb',
  'curl',
  'git',
  'helm',
  'journalctl',
  'npm',
  'pg_dump',
  'pg_restore',
].concat(['psql', 'runuser', 'systemctl', 'systemd-run', 'tar', 'useradd']);
/** What a machine may lack. */
const PROGRAMS = ['curl', 'jq', 'openssl'];
const isInstalled = (name: string): boolean =>
  (process.env.PATH ?? '').split(':').some((path) => existsSync(join(path, name)));
const isTried = (command: string): boolean => TRIED.some(([pattern]) => pattern.test(command));
/** What of a block is for us to run. */
const scriptOf = ({ text }: Block): string =>
  splitCommands(text)
    .filter((command) => !isTried(command.replace(/\s+#.*$/, '')))
    .join('\n');
const toRun = BLOCKS.filter((block) => !block.needs && scriptOf(block) !== '');
const nameBlock = ({ page, heading, text }: Block): string =>
  `${page}, ${heading}: ${text.split('\n')[0] ?? ''}`;

let folder: string;
let settings: Readonly<Record<string, string>>;
let port: number;
let controlPlane: ControlPlaneProcess;
let data: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shopyard-docs-'));
  await chmod(folder, 0o755);
  // The checkout, but that what commands leave behind is in a folder of ours.
  for (const name of readdirSync(TOP))
    if (!name.startsWith('.')) await symlink(join(TOP, name), join(folder, name));
  // Stands for ours, which may be somebody else's, or no repository at all.
  expect(await tryCommand('git', ['init', '-q', join(folder, 'repository')])).toMatchObject({
    status: 0,
  });
  await writeFile(join(folder, '.curlrc'), 'fail\nshow-error\nmax-time = 60\n');
  data = join(folder, 'data');
  const [forgePort, storePort] = await Promise.all([findFreePort(), findFreePort()]);
  settings = {
    SHOPYARD_CLUSTER: 'practice',
    SHOPYARD_DATA_DIR: data,
    SHOPYARD_LAB_DIR: join(folder, 'no-lab'),
    SHOPYARD_BOOTSTRAP_TOKEN: TOKEN,
    SHOPYARD_FORGE_PORT: String(forgePort),
    SHOPYARD_STORE_PORT: String(storePort),
    SHOPYARD_LOG_LEVEL: 'warn',
  };
  port = await findFreePort();
  controlPlane = await start();
});
afterAll(async () => {
  await controlPlane.stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(): Promise<ControlPlaneProcess> {
  return startControlPlaneProcess({ env: settings, port, log: join(folder, 'log') });
}

/** As a person would paste it, who chose another port. */
async function run(script: string, env: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
  const text = script
    .replaceAll('http://127.0.0.1:8080', `http://127.0.0.1:${port}`)
    .replaceAll('<this repository>', join(folder, 'repository'))
    // A stream that never ends has said enough.
    .replace(/^curl -N .*$/gm, '($& || true) | head -c 1');
  return tryCommand('bash', ['--norc', '-euc', text], {
    cwd: folder,
    timeout: 300_000,
    env: {
      ...{ PATH: process.env.PATH, HOME: folder, CURL_HOME: folder, NO_UPDATE_NOTIFIER: '1' },
      ...{ URL: `http://127.0.0.1:${port}`, TOKEN, ...settings, ...env },
    },
  });
}

async function expectToWork(block: Block): Promise<CommandResult> {
  const result = await run(scriptOf(block));
  expect(result.status, `${nameBlock(block)}\n${result.stdout}\n${result.stderr}`).toBe(0);
  return result;
}

test.each(TRIED)('%s is run by %s', (pattern, by, words) => {
  expect(readFileSync(join(TOP, by), 'utf8')).toContain(words);
  const commands = BLOCKS.filter(({ needs }) => !needs).flatMap(({ text }) => splitCommands(text));
  expect(commands.some((command) => pattern.test(command.replace(/\s+#.*$/, '')))).toBe(true);
});

const named = (blocks: readonly Block[]): { readonly name: string; readonly block: Block }[] =>
  blocks.map((block) => ({ name: nameBlock(block), block }));

test.for(named(toRun.filter(({ page }) => page !== RESTORE)))(
  '$name',
  async ({ block }, context) => {
    const absent = PROGRAMS.filter((name) => block.text.includes(`${name} `) && !isInstalled(name));
    if (absent.length > 0) context.skip(`There is no ${absent.join(' and ')} here.`);
    await expectToWork(block);
  },
);

test('the platform is restored as the page says', async () => {
  const api = new ApiClient(controlPlane.url, TOKEN);
  const { store } = await api.create({ name: 'kept', type: 'woocommerce' });
  await api.waitFor(store.id, 'ready', ({ status }) => status === 'ready');
  await controlPlane.stop();

  const blocks = toRun.filter(({ page }) => page === RESTORE);
  expect(blocks.map(({ heading }) => heading)).toEqual(expect.arrayContaining(Object.keys(LOST)));
  const said: string[] = [];
  for (const block of blocks) {
    const lost = LOST[block.heading];
    if (lost !== undefined) await rm(join(data, lost), { recursive: true });
    const isVerify = block.text === 'npm run audit:verify';
    const result = isVerify ? await run(block.text) : await expectToWork(block);
    // The record ended with the database.
    if (isVerify) expect(result).toMatchObject({ status: 1 });
    said.push(result.stdout, result.stderr);
  }
  expect(said.join('')).toMatch(/Would restore: 1 tenants, \d+ stores[^]*Restored: 1 tenants/);
  expect(said.join('')).toContain('The audit log is broken at row');

  controlPlane = await start();
  const found = new ApiClient(controlPlane.url, TOKEN);
  await found.waitFor(store.id, 'found again', ({ status }) => status === 'ready');
});

describe('what needs something that is not here', () => {
  const kubectl = [builtProgram(resolveLabPaths(process.env), 'kubernetes', 'kubectl')]
    .concat(['/usr/local/bin/kubectl', '/usr/bin/kubectl'])
    .find((path) => existsSync(path));
  const asked = BLOCKS.filter(({ needs }) => needs);

  test.skipIf(kubectl === undefined).for(named(asked))('$name', async ({ block }) => {
    const bin = join(folder, 'stand-ins');
    const refusals = join(bin, 'refusals');
    await mkdir(bin, { recursive: true });
    await writeFile(refusals, '');
    const stand = (name: string, body: string) =>
      writeFile(join(bin, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    for (const name of STAND_INS) await stand(name, 'true');
    const nobody = '--server=http://127.0.0.1:9 --request-timeout=5s';
    await stand('kubectl', `'${kubectl ?? ''}' ${nobody} "$@" </dev/null 2>>'${refusals}'; true`);
    const names = block.text.replace(/<[a-zA-Z][^<>\n]*>/g, 'name');
    const elsewhere = join(folder, 'elsewhere');
    await mkdir(join(elsewhere, 'postgres/data'), { recursive: true });
    for (const file of ['password', 'data/postmaster.pid'])
      await writeFile(join(elsewhere, 'postgres', file), '');
    await writeFile(join(folder, 'new-password'), '');
    const result = await run(names, {
      PATH: `${bin}:${process.env.PATH ?? ''}`,
      KUBECONFIG: join(folder, 'kubeconfig'),
      SHOPYARD_DATA_DIR: elsewhere,
      DATABASE_URL: 'postgres://nobody',
    });
    expect(result.stderr).toBe('');
    expect(await readFile(refusals, 'utf8')).not.toMatch(
      /unknown|unexpected|invalid|required|^See '/im,
    );
  });
});
