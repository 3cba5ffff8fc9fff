/**
 * Takes our own writer's push without `git receive-pack`, whose connectivity check reads every tree
 * of the branch: at 10,000 stores that is more than half of a create.
 *
 * What stays the same: the pack is indexed by git in quarantine, every object is checked by fsck and
 * every object it names must be there (`index-pack --strict`), the branch only moves forward, and it
 * moves by compare-and-swap. What is left out is the walk over everything older, which our writer
 * took from this repository. Any other client, and any push but one update of the branch, goes the
 * long way.
 */
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { isOid, ZERO_OID } from '../git/objects.ts';
import { encodePacket, FLUSH_PACKET } from '../git/pkt-line.ts';
import { WRITER_AGENT } from '../git/transport.ts';
import type { GitProcesses } from './git-processes.ts';

/** One ref of a push, from an old to a new commit. */
export type RefUpdate = { readonly ref: string; readonly before: string; readonly after: string };

export type PushHead = {
  /** The single update our writer asks for; null for every other push. */
  readonly update: RefUpdate | null;
  /** All that has been read of the body. */
  readonly bytes: Buffer;
  /** Where the pack begins in it. */
  readonly packStart: number;
};

/** Of a request whose body goes to http-backend untouched. */
export const NO_HEAD: PushHead = { update: null, bytes: Buffer.alloc(0), packStart: 0 };

const MAX_HEAD_BYTES = 4_096;

/** Reads the commands that stand before the pack, and no more than it must. */
export async function readPushHead(request: IncomingMessage): Promise<PushHead> {
  let bytes = Buffer.alloc(0);
  const unknown = (): PushHead => ({ update: null, bytes, packStart: 0 });
  if (request.headers['content-encoding'] !== undefined) return unknown();
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes = Buffer.concat([bytes, chunk]);
    const first = Number.parseInt(bytes.toString('latin1', 0, 4), 16);
    if (bytes.length >= 4 && !(first > 4 && first < MAX_HEAD_BYTES)) return unknown();
    if (bytes.length < first + 4) continue;
    // A second command instead of the flush: not one of ours.
    if (bytes.toString('latin1', first, first + 4) !== '0000') return unknown();
    return { update: parseUpdate(bytes.toString('utf8', 4, first)), bytes, packStart: first + 4 };
  }
  return unknown();
}

function parseUpdate(line: string): RefUpdate | null {
  const [command = '', capabilities = ''] = line.split('\0', 2);
  const [before = '', after = '', ref = '', ...rest] = command.split(' ');
  const isOurs = capabilities.split(' ').includes(`agent=${WRITER_AGENT}`);
  if (!isOurs || rest.length > 0 || !isOid(before) || !isOid(after)) return null;
  return after === ZERO_OID || before === after ? null : { ref, before, after };
}

/** Hooks an operator put there decide about pushes: they run the long way. */
export async function hasHooks(repository: string): Promise<boolean> {
  const names = await readdir(join(repository, 'hooks')).catch(() => []);
  return names.some((name) => !name.endsWith('.sample'));
}

/** Indexes the pack, moves the branch, and returns the answer to the push. */
export async function receivePush(
  processes: GitProcesses,
  job: {
    readonly repository: string;
    readonly update: RefUpdate;
    readonly head: PushHead;
    readonly body: Readable;
    readonly signal: AbortSignal;
  },
): Promise<Buffer> {
  const { repository, update } = job;
  const git = ['--git-dir', repository];
  const quarantine = await mkdtemp(join(repository, 'objects', 'tmp_objdir-incoming-'));
  try {
    await mkdir(join(quarantine, 'pack'));
    const env = {
      GIT_OBJECT_DIRECTORY: quarantine,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: join(repository, 'objects'),
      GIT_QUARANTINE_PATH: quarantine,
    };
    const indexed = await processes.run(
      [...git, 'index-pack', '--stdin', '--fix-thin', '--strict'],
      {
        env,
        feed: (input) => {
          input.write(job.head.bytes.subarray(job.head.packStart));
          job.body.pipe(input);
          // A client that went away ends the pack early, and git refuses it.
          if (job.body.destroyed) input.end();
          else job.body.once('close', () => input.end());
        },
      },
    );
    // What git did not want to read is read all the same: the answer comes after the push.
    job.body.resume();
    if (!job.body.closed) await once(job.body, 'close');
    if (indexed.code !== 0) return formatReport(update, 'index-pack failed', indexed.complaint);
    const forward = await processes.run(
      update.before === ZERO_OID
        ? [...git, 'cat-file', '-e', `${update.after}^{commit}`]
        : [...git, 'merge-base', '--is-ancestor', update.before, update.after],
      { env },
    );
    if (forward.code !== 0)
      return formatReport(update, null, forward.complaint, 'non-fast-forward');
    if (job.signal.aborted) return formatReport(update, 'it took too long', '');
    await migrateObjects(join(quarantine, 'pack'), join(repository, 'objects', 'pack'));
    const moved = await processes.run([
      ...git,
      'update-ref',
      update.ref,
      update.after,
      update.before,
    ]);
    return moved.code === 0
      ? formatReport(update, null, '', null)
      : formatReport(update, null, moved.complaint, 'failed to update ref');
  } finally {
    await rm(quarantine, { recursive: true, force: true });
  }
}

/** The index comes last: git finds a pack by it. */
async function migrateObjects(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  const names = await readdir(from);
  for (const name of names.toSorted(
    (a, b) => Number(a.endsWith('.idx')) - Number(b.endsWith('.idx')),
  )) {
    await rename(join(from, name), join(to, name));
  }
}

function formatReport(
  update: RefUpdate,
  unpackProblem: string | null,
  complaint: string,
  refusal: string | null = 'unpacker error',
): Buffer {
  const report = Buffer.concat([
    encodePacket(`unpack ${unpackProblem ?? 'ok'}\n`),
    encodePacket(refusal === null ? `ok ${update.ref}\n` : `ng ${update.ref} ${refusal}\n`),
    FLUSH_PACKET,
  ]);
  const messages =
    complaint === ''
      ? []
      : [encodePacket(Buffer.concat([Buffer.from([2]), Buffer.from(complaint.slice(0, 2_000))]))];
  return Buffer.concat([
    ...messages,
    encodePacket(Buffer.concat([Buffer.from([1]), report])),
    FLUSH_PACKET,
  ]);
}
