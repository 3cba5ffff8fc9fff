/**
 * Row 7: Postgres goes away in the middle of batches, and its disk fills. A server of the test's own,
 * with the durability that people run it with.
 */
import { execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  startEmbeddedPostgres,
  type EmbeddedPostgres,
} from '../../control-plane/src/db/embedded.ts';
import { migrate } from '../../control-plane/src/db/open.ts';
import { createRandom } from '../../control-plane/src/forge/testing.ts';
import type { ControlPlaneProcess } from '../support/control-plane-process.ts';
import { announceSeed, chooseRounds, tally } from './tally.ts';
import { openYard, type Yard } from './yard.ts';

const ROUNDS = chooseRounds({ short: 2, full: 20 });
const run = promisify(execFile);

let folder: string;
let postgres: EmbeddedPostgres;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shopyard-postgres-fault-'));
  await chmod(folder, 0o755);
  postgres = await startEmbeddedPostgres(join(folder, 'postgres'));
});
afterAll(async () => {
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Of one sender: enough for the fault to come in the middle of them. */
const CREATES_AT_MOST = 30;

/** Sends creates, each with a key of its own and until it is answered with 202. */
class Sender {
  readonly #accepted: string[] = [];
  #stopping = false;
  readonly #running: Promise<void>[];

  constructor(yard: Yard, name: string, senders: number) {
    this.#running = Array.from({ length: senders }, (_, index) =>
      this.#run(yard, `${name}-${index}`),
    );
  }

  async #run(yard: Yard, name: string): Promise<void> {
    for (let number = 0; number < CREATES_AT_MOST && !this.#stopping; number += 1) {
      const store = `${name}-${number}`;
      for (;;) {
        const reply = await yard.api.request('POST', '/api/stores', {
          body: { name: store, type: 'woocommerce' },
          headers: { 'Idempotency-Key': store },
        });
        if (reply.status === 202) break;
        expect(reply.body, reply.text).toMatchObject({ code: 'database_unavailable' });
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      this.#accepted.push(store);
    }
  }

  async until(accepted: number): Promise<void> {
    await vi.waitFor(() => expect(this.#accepted.length).toBeGreaterThan(accepted), {
      timeout: 60_000,
    });
  }

  /** Returns the names of all that was accepted. */
  async stop(): Promise<readonly string[]> {
    this.#stopping = true;
    await Promise.all(this.#running);
    return this.#accepted;
  }
}

/** Each accepted name is one store, and its create one commit. */
async function expectNothingLost(yard: Yard, accepted: readonly string[]): Promise<number> {
  await yard.untilSettled();
  const rows = await yard.api.db.selectFrom('stores').select('name').execute();
  const names = rows.map((row) => row.name).sort();
  expect(names).toEqual([...accepted].sort());
  return yard.expectExactlyOnce();
}

async function readReadiness(yard: Yard, writer: ControlPlaneProcess): Promise<number[]> {
  const answers = await Promise.all(
    [yard.api.url, writer.url].map((url) => fetch(`${url}/readyz`)),
  );
  return answers.map((answer) => answer.status);
}

const untilReadiness = (yard: Yard, writer: ControlPlaneProcess, status: number) =>
  vi.waitFor(async () => expect(await readReadiness(yard, writer)).toEqual([status, status]), {
    timeout: 60_000,
    interval: 50,
  });

test(
  'row 7: Postgres ends at once, again and again, while creates come',
  { timeout: 600_000 },
  async ({ task }) => {
    const seed = announceSeed('ends of Postgres');
    const random = createRandom(seed);
    await migrate(postgres.url);
    const yard = await openYard({ databaseUrl: postgres.url });
    try {
      const writer = await yard.startWriter();
      const accepted: string[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const sender = new Sender(yard, `kept-${round}`, 4);
        await sender.until(5);
        await new Promise((resolve) => setTimeout(resolve, random(300)));
        const start = await endServer(folder);
        await untilReadiness(yard, writer, 503);
        await start();
        await untilReadiness(yard, writer, 200);
        accepted.push(...(await sender.stop()));
      }
      const operations = await expectNothingLost(yard, accepted);
      tally(task, { done: `${ROUNDS} ends of Postgres, ${operations} creates`, seed });
    } finally {
      await yard.close();
    }
  },
);

/** Ends the server as a power cut would leave it; returns what starts the same one again. */
async function endServer(at: string): Promise<() => Promise<void>> {
  const data = join(at, 'postgres/data');
  const pid = Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n')[0]);
  const [program = '', ...args] = (await readFile(`/proc/${pid}/cmdline`, 'utf8'))
    .split('\0')
    .slice(0, -1);
  const { uid, gid } = await stat(data);
  process.kill(pid, 'SIGQUIT');
  await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow(), {
    timeout: 30_000,
    interval: 20,
  });
  return async () => {
    const server = spawn(program, args, { uid, gid, cwd: data, stdio: 'ignore', detached: true });
    server.unref();
    await vi.waitFor(async () => {
      const client = new pg.Client({ connectionString: postgres.url });
      // Told by the query; unheard it would end the process.
      client.on('error', () => undefined);
      await client.connect();
      await client.end();
    }, 60_000);
  };
}

const CAN_MOUNT = process.platform === 'linux' && process.getuid?.() === 0;

test.runIf(CAN_MOUNT)(
  'row 7: its disk is full for a while (needs root, for a disk of its own)',
  { timeout: 600_000 },
  async ({ task }) => {
    const disk = join(folder, 'disk');
    await mkdir(disk);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'shopyard-fault', disk]);
    try {
      const { uid, gid } = await stat(join(folder, 'postgres/data'));
      const tablespace = join(disk, 'space');
      await mkdir(tablespace);
      await chown(tablespace, uid, gid);
      const admin = new pg.Client({ connectionString: postgres.url });
      await admin.connect();
      await admin.query(`create tablespace small location '${tablespace}'`);
      await admin.query('create database small tablespace small');
      const url = postgres.url.replace(/[^/]+$/, 'small');
      await migrate(url);
      const yard = await openYard({ databaseUrl: url });
      try {
        const done = await fillAndEmpty(yard, disk);
        tally(task, { done });
      } finally {
        await yard.close();
        await admin.query('drop database small with (force)');
        await admin.query('drop tablespace small');
        await admin.end();
      }
    } finally {
      await run('umount', ['--lazy', disk]);
    }
  },
);

async function fillAndEmpty(yard: Yard, disk: string): Promise<string> {
  const writer = await yard.startWriter();
  const times = chooseRounds({ short: 1, full: 5 });
  const accepted: string[] = [];
  for (let round = 0; round < times; round += 1) {
    const sender = new Sender(yard, `full-${round}`, 4);
    await sender.until(20);
    // In one go: creates that come meanwhile may be the last, and then nobody finds the disk full.
    expect(() => writeFileSync(join(disk, 'filler'), Buffer.alloc(64 << 20))).toThrow('ENOSPC');
    await untilReadiness(yard, writer, 503);
    await rm(join(disk, 'filler'));
    await untilReadiness(yard, writer, 200);
    accepted.push(...(await sender.stop()));
  }
  const operations = await expectNothingLost(yard, accepted);
  return `disk full ${times} times, ${operations} creates`;
}
