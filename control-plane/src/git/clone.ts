/**
 * A bare clone on disk: a cache of the remote's objects, so that a restart need not fetch them all.
 *
 * Nothing in it is believed: every object is hashed again as it is read. What is missing or damaged
 * throws CloneDamaged; the owner then makes the clone anew from the remote. It may be deleted at any
 * time. It starts with one commit and deepens when somebody asks for older ones. Each fetch adds a
 * pack: when there are many, its owner makes it anew. One process per folder.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import git from 'isomorphic-git';
import type { ReadObjectResult } from 'isomorphic-git';
import { PlatformError } from '../errors.ts';
import { decodeCommit, hashObject, isOid, parseCommitSha, ZERO_OID } from './objects.ts';
import type { CommitFields, ObjectType } from './objects.ts';
import type { Transport } from './transport.ts';
import type { CommitSha, RemoteSettings } from './types.ts';

/** An object that ought to be in the clone is not there, or is not what its name says. */
export class CloneDamaged extends Error {
  override readonly name = 'CloneDamaged';
}

const ORIGIN_FILE = 'shopyard-origin.json';

/**
 * Packs a clone may hold. Each fetch leaves one, which isomorphic-git reads, remembers and searches
 * for every object from then on; nothing collects them.
 */
const MOST_PACKS = 200;
/** Of the SHA-1 that a pack's index ends with. */
const SUM_BYTES = 20;

export class Clone {
  readonly #dir: string;
  readonly #transport: Transport;
  readonly #remote: RemoteSettings;
  /** What isomorphic-git remembers of pack files. */
  #cache: object = {};
  /** Names of the packs' indexes that are whole. */
  #indexes = new Set<string>();
  /** Whether those are all there are: only a fetch adds some. */
  #isChecked = false;

  private constructor(dir: string, remote: RemoteSettings, transport: Transport) {
    this.#dir = dir;
    this.#remote = remote;
    this.#transport = transport;
  }

  /** Opens the clone in `dir`, or starts an empty one when there is none of this remote. */
  static async open(dir: string, remote: RemoteSettings, transport: Transport): Promise<Clone> {
    const clone = new Clone(dir, remote, transport);
    const origin = await readFile(join(dir, ORIGIN_FILE), 'utf8').catch(() => '');
    if (origin !== clone.#describeOrigin()) await clone.recreate();
    return clone;
  }

  /** Throws away what is there and starts empty. */
  async recreate(): Promise<void> {
    this.#cache = {};
    this.#indexes = new Set();
    this.#isChecked = false;
    await rm(this.#dir, { recursive: true, force: true, maxRetries: 3 });
    await mkdir(this.#dir, { recursive: true });
    await git.init({ fs, gitdir: this.#dir, bare: true, defaultBranch: this.#remote.branch });
    const { url } = this.#transport;
    await git.addRemote({ fs, gitdir: this.#dir, remote: 'origin', url, force: true });
    await writeFile(join(this.#dir, ORIGIN_FILE), this.#describeOrigin());
  }

  /**
   * Looks once at each pack's index: it ends with a checksum, which isomorphic-git does not look at,
   * and it believes what the index says of its length, whatever memory that takes.
   */
  async #checkIndexes(): Promise<void> {
    if (this.#isChecked) return;
    const folder = join(this.#dir, 'objects/pack');
    const names = await readdir(folder).catch(() => []);
    for (const name of names) {
      if (!name.endsWith('.idx') || this.#indexes.has(name)) continue;
      const index = await readFile(join(folder, name)).catch(() => Buffer.of());
      const sum = createHash('sha1').update(index.subarray(0, -SUM_BYTES)).digest();
      if (!sum.equals(index.subarray(-SUM_BYTES)))
        throw new CloneDamaged(`the index ${name} is damaged`);
      this.#indexes.add(name);
    }
    this.#isChecked = true;
  }

  /** Whether it is time to make it anew. */
  async isWorn(most = MOST_PACKS): Promise<boolean> {
    const files = await readdir(join(this.#dir, 'objects/pack')).catch(() => []);
    return files.filter((name) => name.endsWith('.pack')).length > most;
  }

  #describeOrigin(): string {
    return JSON.stringify({ url: this.#transport.url, branch: this.#remote.branch });
  }

  /** A branch's tip on the remote now, of ours without a name; null when it does not exist. */
  async readRemoteTip(branch = this.#remote.branch): Promise<CommitSha | null> {
    const ref = `refs/heads/${branch}`;
    const refs = await translateErrors(() =>
      git.listServerRefs({
        http: this.#transport.http,
        url: this.#transport.url,
        prefix: ref,
        protocolVersion: 2,
      }),
    );
    const oid = refs.find((candidate) => candidate.ref === ref)?.oid;
    return oid === undefined ? null : parseCommitSha(oid);
  }

  /**
   * Brings the branch's tip here and returns it; null when the branch does not exist. `depth` counts
   * commits from the tip; without it everything newer than what is here comes.
   */
  async fetch(depth?: number): Promise<CommitSha | null> {
    await this.#checkIndexes();
    this.#isChecked = false;
    const result = await translateErrors(
      () =>
        git.fetch({
          fs,
          http: this.#transport.http,
          gitdir: this.#dir,
          cache: this.#cache,
          url: this.#transport.url,
          remote: 'origin',
          ref: this.#remote.branch,
          singleBranch: true,
          tags: false,
          ...(depth === undefined ? {} : { depth }),
        }),
      true,
    );
    return result.fetchHead === null ? null : parseCommitSha(result.fetchHead);
  }

  async has(commit: CommitSha): Promise<boolean> {
    try {
      await this.read('commit', commit);
      return true;
    } catch (error) {
      if (error instanceof CloneDamaged) return false;
      throw error;
    }
  }

  /** True when the clone ends at this commit though the history does not. */
  async isShallowAt(commit: CommitSha): Promise<boolean> {
    const list = await readFile(join(this.#dir, 'shallow'), 'utf8').catch(() => '');
    return list.split('\n').includes(commit);
  }

  async readCommit(commit: CommitSha): Promise<CommitFields> {
    return decodeCommit(await this.read('commit', commit));
  }

  async read(type: ObjectType, oid: string): Promise<Buffer> {
    if (!isOid(oid) || oid === ZERO_OID) throw new CloneDamaged(`not an object id: ${oid}`);
    await this.#checkIndexes();
    let result: ReadObjectResult;
    try {
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- its successors return parsed objects; we hash the bytes
      result = await git.readObject({
        fs,
        gitdir: this.#dir,
        oid,
        format: 'content',
        cache: this.#cache,
      });
    } catch (error) {
      throw new CloneDamaged(`object ${oid} cannot be read`, { cause: error });
    }
    const object: unknown = result.object;
    if (!(object instanceof Uint8Array)) throw new CloneDamaged(`object ${oid} cannot be read`);
    const content = Buffer.from(object.buffer, object.byteOffset, object.byteLength);
    if (result.type !== type || hashObject(type, content) !== oid) {
      throw new CloneDamaged(`object ${oid} is not what its name says`);
    }
    return content;
  }
}

/** isomorphic-git's errors in our words; ours, thrown by the transport beneath it, pass through. */
async function translateErrors<T>(call: () => Promise<T>, readsClone = false): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof PlatformError) throw error;
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'NotFoundError') {
      throw new PlatformError('branch_missing', 'the branch is not on the remote', {
        retryable: true,
        cause: error,
      });
    }
    // The remote was just asked for its tip and answered: what cannot be read is here.
    if (readsClone) throw new CloneDamaged('it cannot be fetched into', { cause: error });
    throw new PlatformError('git_protocol', 'the remote did not answer as git does', {
      retryable: true,
      cause: error,
    });
  }
}
