/**
 * Which refs a push may name, and our own writer's push, taken without `git receive-pack`, whose
 * connectivity check reads every tree of the branch: at 10,000 stores that is more than half of a
 * create.
 *
 * What stays the same: the pack is indexed by git in quarantine, every object is checked by fsck and
 * every object it names must be there (`index-pack --strict`), the branch only moves forward, and it
 * moves by compare-and-swap. What is left out is the walk over everything older, which our writer
 * took from this repository. Branches under review are our writer's own: it may also rewrite and
 * remove them. Any other client, and any push but one update, goes the long way, where no branch is
 * rewritten or removed.
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
import { REVIEW_BRANCHES } from './types.ts';

/** One ref of a push, from an old to a new commit. */
export type RefUpdate = { readonly ref: string; readonly before: string; readonly after: string };

/** What stands before the pack of a push. */
export type PushHead = {
  /** What it asks for; null when that cannot be read. */
  readonly updates: readonly RefUpdate[] | null;
  /** Our writer sent it, from a history that is whole. */
  readonly isOurs: boolean;
  /** All that has been read of the body. */
  readonly bytes: Buffer;
  /** Where the pack begins in it. */
  readonly packStart: number;
};

/** Of a request whose body goes to http-backend untouched. */
export const NO_HEAD: PushHead = {
  updates: [],
  isOurs: false,
  bytes: Buffer.alloc(0),
  packStart: 0,
};

/** Some hundred updates; a push of ours has one. */
const MAX_HEAD_BYTES = 64 * 1024;

/** Reads the commands that stand before the pack, and no more than it must. */
export async function readPushHead(request: IncomingMessage): Promise<PushHead> {
  let bytes = Buffer.alloc(0);
  const unknown = (): PushHead => ({ ...NO_HEAD, updates: null, bytes });
  if (request.headers['content-encoding'] !== undefined) return unknown();
  const lines: string[] = [];
  let at = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= at + 4) {
      const digits = bytes.toString('latin1', at, at + 4);
      if (digits === '0000') return { ...parseCommands(lines), bytes, packStart: at + 4 };
      const length = Number.parseInt(digits, 16);
      if (!(length > 4) || at + length > MAX_HEAD_BYTES) return unknown();
      if (bytes.length < at + length) break;
      lines.push(bytes.toString('utf8', at + 4, at + length));
      at += length;
    }
  }
  return unknown();
}

function parseCommands(lines: readonly string[]): Pick<PushHead, 'updates' | 'isOurs'> {
  // A shallow clone names where it ends before it says what it wants.
  const commands = lines.filter((line) => !line.startsWith('shallow '));
  const updates: RefUpdate[] = [];
  for (const line of commands) {
    const [before = '', after = '', ...name] = (line.split('\0', 1)[0] ?? '').trim().split(' ');
    if (!isOid(before) || !isOid(after)) return { updates: null, isOurs: false };
    updates.push({ ref: name.join(' '), before, after });
  }
  const capabilities = commands[0]?.split('\0')[1] ?? '';
  const isOurs =
    capabilities.split(' ').includes(`agent=${WRITER_AGENT}`) && commands.length === lines.length;
  return { updates, isOurs };
}

/** What a push may name: the branch that Argo CD follows, and those of our pull requests. */
export function isOpenRef(ref: string, branch: string): boolean {
  return ref === `refs/heads/${branch}` || isReviewRef(ref);
}

function isReviewRef(ref: string): boolean {
  return ref.startsWith(`refs/heads/${REVIEW_BRANCHES}`);
}

/** The update that `receivePush` takes; null: the push goes the long way. */
export function findOwnUpdate(
  { updates, isOurs }: PushHead,
  branch: string,
  options: { readonly hasHooks: boolean },
): RefUpdate | null {
  const [update, ...others] = updates ?? [];
  if (!isOurs || update === undefined || others.length > 0) return null;
  if (update.before === update.after) return null;
  if (isReviewRef(update.ref)) return update;
  const isForward = update.ref === `refs/heads/${branch}` && update.after !== ZERO_OID;
  return isForward && !options.hasHooks ? update : null;
}

/** The answer to a push of refs that are not open, once it has been read to its end. */
export function refuseRefs(updates: readonly RefUpdate[]): Buffer {
  return formatReport(
    updates.map(({ ref }) => [ref, 'only the main branch and branches under review are kept here']),
    { unpack: null, complaint: '' },
  );
}

/** Hooks an operator put there decide about pushes to the branch: they run the long way. */
export async function hasHooks(repository: string): Promise<boolean> {
  const names = await readdir(join(repository, 'hooks')).catch(() => []);
  return names.some((name) => !name.endsWith('.sample'));
}

/** Indexes the pack, moves or removes the ref, and returns the answer to the push. */
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
  const { ref, before, after } = update;
  const report = (refusal: string | null, complaint = '', unpack: string | null = null): Buffer =>
    formatReport([[ref, refusal]], { unpack, complaint });
  const readToEnd = async (): Promise<void> => {
    // What git did not want to read is read all the same: the answer comes after the push.
    job.body.resume();
    if (!job.body.closed) await once(job.body, 'close');
  };
  if (after === ZERO_OID) {
    await readToEnd();
    const removed = await processes.run([...git, 'update-ref', '-d', ref, before]);
    return removed.code === 0 ? report(null) : report('failed to update ref', removed.complaint);
  }
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
    await readToEnd();
    if (indexed.code !== 0) return report('unpacker error', indexed.complaint, 'index-pack failed');
    const isRewritten = before === ZERO_OID || isReviewRef(ref);
    const fit = await processes.run(
      isRewritten
        ? [...git, 'cat-file', '-e', `${after}^{commit}`]
        : [...git, 'merge-base', '--is-ancestor', before, after],
      { env },
    );
    if (fit.code !== 0) return report('non-fast-forward', fit.complaint);
    if (job.signal.aborted) return report('unpacker error', '', 'it took too long');
    await migrateObjects(join(quarantine, 'pack'), join(repository, 'objects', 'pack'));
    const moved = await processes.run([...git, 'update-ref', ref, after, before]);
    return moved.code === 0 ? report(null) : report('failed to update ref', moved.complaint);
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

/** @param results each ref with why it was not moved; null: it was */
function formatReport(
  results: readonly (readonly [ref: string, refusal: string | null])[],
  { unpack, complaint }: { readonly unpack: string | null; readonly complaint: string },
): Buffer {
  const report = Buffer.concat([
    encodePacket(`unpack ${unpack ?? 'ok'}\n`),
    ...results.map(([ref, refusal]) =>
      encodePacket(refusal === null ? `ok ${ref}\n` : `ng ${ref} ${refusal}\n`),
    ),
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
