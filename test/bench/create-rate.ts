/**
 * Durable creates per second, from HTTP POST to the commit on the remote, in a repository of 10,000
 * stores: against `git fast-import` of the same commits, and isomorphic-git's add + commit.
 * The git part alone (no API, no database) is measured beside it, to tell where time goes.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import git from 'isomorphic-git';
import { EmbeddedServer } from '../../control-plane/src/forge/embedded-server.ts';
import { openBranch } from '../../control-plane/src/git/branch.ts';
import type { Branch } from '../../control-plane/src/git/types.ts';
import { BRANCH, formatImport, importCommits, type Creation } from './fleet.ts';
import { median, time, type Measurement } from './report.ts';
import type { Workshop } from './workshop.ts';

const STORES = 10_000;
const ROUNDS = 5;
const CREATES = 200;
const CLIENTS = 16;
/** What the writer takes at once. */
const BATCH = 50;
const AUTHOR = { name: 'Shopyard', email: 'shopyard@localhost' };

export async function measureCreateRate(workshop: Workshop): Promise<Measurement> {
  const { fleet } = workshop;
  console.error(`create-rate: making repositories of ${String(STORES)} stores`);
  const product = await workshop.startProduct('rate', STORES);
  const imported = workshop.resolve('imported.git');
  await workshop.makeRepository(imported, STORES);
  const work = workshop.resolve('isomorphic');
  await promisify(execFile)('git', ['clone', '--quiet', imported, work]);
  await using writer = await openWriter(workshop);
  await product.create(['warm-up'], 1);

  const rates: Record<'product' | 'writer' | 'fastImport' | 'isomorphicGit', number[]> = {
    product: [],
    writer: [],
    fastImport: [],
    isomorphicGit: [],
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    const names = Array.from(
      { length: CREATES },
      (_, index) => `new-${String(round)}-${String(index)}`,
    );
    const creations = names.map((name) => fleet.renderCreation(name));
    const stream = Buffer.concat(
      creations.map((creation, index) =>
        formatImport(creation, index === 0 ? `refs/heads/${BRANCH}^0` : null),
      ),
    );
    const perSecond = (count: number, milliseconds: number): number =>
      (count * 1_000) / milliseconds;
    const { committedMs } = await product.create(names, CLIENTS);
    rates.product.push(perSecond(CREATES, committedMs));
    rates.fastImport.push(perSecond(CREATES, await time(() => importCommits(imported, stream))));
    rates.writer.push(
      perSecond(CREATES, await time(() => writeCreations(writer.branch, creations))),
    );
    const one = fleet.renderCreation(`slow-${String(round)}`);
    rates.isomorphicGit.push(perSecond(1, await time(() => commitWithIsomorphicGit(work, one))));
    console.error(
      `create-rate: round ${String(round + 1)} of ${String(ROUNDS)}, creates per second: ` +
        Object.entries(rates)
          .map(([name, values]) => `${name} ${(values.at(-1) ?? 0).toPrecision(3)}`)
          .join(', '),
    );
  }
  const rate = median(rates.product);
  return {
    goals: [
      {
        id: 'create-rate',
        ratio: rate / median(rates.fastImport),
        bound: 0.4,
        wanted: 'at-least',
      },
      {
        id: 'create-rate/isomorphic-git',
        ratio: rate / median(rates.isomorphicGit),
        bound: 10,
        wanted: 'at-least',
      },
    ],
    details: {
      stores: STORES,
      createsPerRound: CREATES,
      clients: CLIENTS,
      medianPerSecond: Object.fromEntries(
        Object.entries(rates).map(([name, values]) => [name, median(values)]),
      ),
      perSecond: rates,
    },
  };
}

async function openWriter(workshop: Workshop): Promise<AsyncDisposable & { branch: Branch }> {
  const dir = workshop.resolve('writer');
  await mkdir(dir, { recursive: true });
  await workshop.makeRepository(join(dir, 'shopyard.git'), STORES);
  const forge = new EmbeddedServer({
    dir,
    host: '127.0.0.1',
    port: 0,
    branch: BRANCH,
    readPassword: 'bench-read-password',
    writePassword: 'bench-write-password',
  });
  await forge.start();
  const branch = await openBranch({ remote: forge.remote, dir: join(dir, 'clone') });
  return { branch, [Symbol.asyncDispose]: () => forge.stop() };
}

async function writeCreations(branch: Branch, creations: readonly Creation[]): Promise<void> {
  for (let start = 0; start < creations.length; start += BATCH) {
    const batch = branch.begin();
    for (const { changes, message } of creations.slice(start, start + BATCH)) {
      await batch.commit(changes, { message, author: AUTHOR, at: new Date() });
    }
    const result = await batch.push();
    if (result.kind !== 'pushed') throw new Error(`the push was ${result.kind}`);
  }
}

async function commitWithIsomorphicGit(dir: string, creation: Creation): Promise<void> {
  for (const { path, content } of creation.changes) {
    await mkdir(join(dir, dirname(path)), { recursive: true });
    await writeFile(join(dir, path), content ?? '');
    await git.add({ fs, dir, filepath: path });
  }
  await git.commit({ fs, dir, message: creation.message, author: AUTHOR });
}
