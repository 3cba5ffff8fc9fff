/**
 * Follows every object of one kind: LIST in pages, then WATCH from there, for as long as it runs.
 *
 * - Only a complete LIST, or a DELETED event, makes an object absent. A LIST that was cut, refused
 *   or garbled counts for nothing, whatever arrived of it.
 * - Duplicates and late-comers change nothing: an event counts only when its resourceVersion is
 *   newer than what is held of that object, and than where the LIST or WATCH began.
 * - A WATCH goes on where the last one was only if that one ended in good order, or if the server
 *   asks for patience. After anything else (a stream that broke or fell silent, a refusal, another
 *   kubeconfig) another server may answer, or the same one put back from a copy: asked to go on at a
 *   version that it has not come to yet, it says yes, and then nothing. So a LIST comes first; where
 *   a proxy cuts streams often that costs pages, but writes no row.
 * - An object that cannot be read is reported and skipped; what was read of it before stays.
 * - Kept per object: its extract, a fingerprint of the extract and its resourceVersion. A relist in
 *   which nothing changed reports no change.
 */
import { hash } from 'node:crypto';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { describeError } from '../errors.ts';
import { readBody, type ClusterConnection } from './connection.ts';
import type { ObjectWatch, WatchReport } from './types.ts';

export type WatchOptions<T> = {
  readonly connection: ClusterConnection;
  /** Path of the collection, for instance `/apis/argoproj.io/v1alpha1/namespaces/argocd/applications`. */
  readonly path: string;
  readonly extract: (object: unknown) => Extract<T>;
  readonly report: (report: WatchReport) => void;
  /** Objects a page of LIST; default 500. */
  readonly pageSize?: number;
  /** How long the server keeps one WATCH open; default 300 s, spread by a fifth. */
  readonly windowSeconds?: number;
  /**
   * Silence after which the connection counts as dead; default 90 s. Bookmarks come each minute, if
   * the server knows of anything new; where it does not, it is asked for a LIST, and so heard.
   */
  readonly silenceMs?: number;
  /** First pause after a failure; it doubles up to 30 s. Default 500 ms. */
  readonly backoffMs?: number;
  /** For one page of LIST, and for the first byte of a WATCH; default 30 s. */
  readonly timeoutMs?: number;
  readonly random?: () => number;
};

export type Extract<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

type Held<T> = {
  readonly version: string;
  readonly print: string;
  readonly value: T;
};

const LONGEST_BACKOFF_MS = 30_000;
const LONGEST_PAGE = 256 * 1024 * 1024;
const LONGEST_LINE = 16 * 1024 * 1024;
/** A connection that lived this long was no failure, however it ended. */
const HEALTHY_MS = 5000;

const page = z.object({
  metadata: z.object({ resourceVersion: z.string().min(1), continue: z.string().nullish() }),
  items: z.array(z.unknown()),
});
const identity = z.object({
  metadata: z.object({
    name: z.string().min(1),
    resourceVersion: z.string().min(1),
  }),
});
const watchEvent = z.object({ type: z.string(), object: z.unknown() });
const bookmark = z.object({ metadata: z.object({ resourceVersion: z.string().min(1) }) });
const statusObject = z.object({ code: z.number().optional(), message: z.string().optional() });

/** The API server said no, or asked for patience. */
class AnswerError extends Error {
  readonly status: number;
  readonly retryAfterMs: number;
  constructor(status: number, message: string, retryAfterMs = 0) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

export function createObjectWatch<T>(options: WatchOptions<T>): ObjectWatch<T> {
  const { connection, path, extract, report } = options;
  const { pageSize = 500, windowSeconds = 300, silenceMs = 90_000 } = options;
  const { backoffMs = 500, timeoutMs = 30_000, random = Math.random } = options;

  let held = new Map<string, Held<T>>();
  /** Objects deleted since this WATCH began, with the version of their end. */
  const ended = new Map<string, string>();
  /** Where the last LIST ended, or this WATCH began: what is told is newer. */
  let startVersion = '0';
  /** By which kubeconfig the last LIST came. */
  let listedBy = 0;
  let complete = false;
  let heardAt: Date | null = null;
  let trouble: string | null = null;
  const hear = (): void => {
    heardAt = new Date();
    trouble = null;
  };
  let onChange: (names: readonly string[]) => void = () => undefined;
  let running: { readonly stop: AbortController; readonly done: Promise<void> } | null = null;

  /** Reads one object; null when it is to be skipped. */
  const take = (object: unknown, name: string, version: string): Held<T> | null => {
    const extracted = extract(object);
    if (!extracted.ok) {
      report({ kind: 'malformed', name, reason: extracted.message });
      return null;
    }
    const print = hash('sha1', JSON.stringify(extracted.value), 'base64');
    return { version, print, value: extracted.value };
  };

  /** One LIST, all pages. Nothing is changed before the last page is here. */
  const list = async (stop: AbortSignal): Promise<string> => {
    const next = new Map<string, Held<T>>();
    let nameless = false;
    let version: string | null = null;
    let exchanges: number | null = null;
    let token: string | null = null;
    do {
      const query = new URLSearchParams({ limit: String(pageSize) });
      if (token !== null) query.set('continue', token);
      const signal = AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]);
      const answer = await connection.get(`${path}?${query.toString()}`, signal);
      const text = await readBody(answer.body, LONGEST_PAGE);
      if (answer.status !== 200) throw refuse(answer.status, answer.headers['retry-after']);
      const parsed = page.safeParse(JSON.parse(text));
      if (!parsed.success) throw new Error('the LIST is not a list');
      hear();
      exchanges ??= answer.exchanges;
      if (answer.exchanges !== exchanges) throw new Error('the kubeconfig was replaced in a LIST');
      version ??= parsed.data.metadata.resourceVersion;
      token = parsed.data.metadata.continue ?? '';
      for (const object of parsed.data.items) {
        const known = identity.safeParse(object);
        if (!known.success) {
          // It exists, but which one is it? No absence can be read from this LIST.
          nameless = true;
          report({ kind: 'malformed', name: null, reason: 'an object without a name or version' });
          continue;
        }
        const { name, resourceVersion } = known.data.metadata;
        const before = held.get(name);
        // Read even at a version that is known: a server put back counts to it a second time.
        const now = take(object, name, resourceVersion);
        // Unreadable now: what was read before stays.
        if (now !== null) next.set(name, now);
        else if (before !== undefined) next.set(name, { ...before, version: resourceVersion });
      }
    } while (token !== '');

    if (nameless)
      for (const [name, entry] of held) if (!next.has(name)) next.set(name, { ...entry, version });
    const changed: string[] = [];
    for (const [name, entry] of next) if (held.get(name)?.print !== entry.print) changed.push(name);
    for (const name of held.keys()) if (!next.has(name)) changed.push(name);
    held = next;
    ended.clear();
    startVersion = version;
    listedBy = exchanges;
    complete = true;
    report({ kind: 'listed', objects: held.size, changed: changed.length });
    if (changed.length > 0) onChange(changed);
    return version;
  };

  /** Takes in one event. Returns the name of the object when its extract changed. */
  const applyEvent = (type: string, object: unknown): string | null => {
    const known = identity.safeParse(object);
    if (!known.success) {
      report({ kind: 'malformed', name: null, reason: 'an object without a name or version' });
      return null;
    }
    const { name, resourceVersion } = known.data.metadata;
    const before = held.get(name);
    const newest = before?.version ?? ended.get(name) ?? startVersion;
    if (!isNewer(resourceVersion, newest) || !isNewer(resourceVersion, startVersion)) return null;
    if (type === 'DELETED') {
      held.delete(name);
      ended.set(name, resourceVersion);
      return before === undefined ? null : name;
    }
    const now = take(object, name, resourceVersion);
    if (now === null) return null;
    ended.delete(name);
    held.set(name, now);
    return before?.print === now.print ? null : name;
  };

  /**
   * One WATCH, until it ends.
   * @returns where the next one begins; null: a LIST is needed
   */
  const follow = async (
    from: string,
    stop: AbortSignal,
  ): Promise<{ readonly version: string | null; readonly heard: boolean }> => {
    const window = Math.round(windowSeconds * (0.8 + 0.4 * random()));
    const query = new URLSearchParams({
      watch: 'true',
      resourceVersion: from,
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(window),
    });
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), timeoutMs);
    let version = from;
    let open = false;
    let heard = false;
    try {
      const signal = AbortSignal.any([stop, silence.signal]);
      const answer = await connection.get(`${path}?${query.toString()}`, signal);
      if (answer.exchanges !== listedBy) {
        answer.body.destroy();
        return expire('the kubeconfig was replaced', heard);
      }
      if (answer.status !== 200) {
        answer.body.destroy();
        if (answer.status === 410) return expire('the version is too old', heard);
        throw refuse(answer.status, answer.headers['retry-after']);
      }
      open = true;
      hear();
      // All that comes now is newer than what was told before: earlier ends need no remembering.
      startVersion = from;
      ended.clear();
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), silenceMs);
      const decoder = new StringDecoder('utf8');
      let rest = '';
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), silenceMs);
        hear();
        heard = true;
        rest += decoder.write(chunk);
        const changed = new Set<string>();
        let relist: string | null = null;
        let start = 0;
        for (
          let end = rest.indexOf('\n', start);
          end !== -1 && relist === null;
          start = end + 1, end = rest.indexOf('\n', start)
        ) {
          const line = rest.slice(start, end);
          if (line.trim() === '') continue;
          const event = parseEvent(line);
          if (event === null) {
            report({ kind: 'malformed', name: null, reason: 'a line that is not an event' });
            // Whatever it told is lost: only a LIST makes sure.
            relist = 'an event could not be read';
          } else if (event.type === 'ERROR') {
            const error = statusObject.safeParse(event.object);
            if (error.data?.code !== 410)
              throw new AnswerError(error.data?.code ?? 0, error.data?.message ?? 'watch error');
            relist = 'the version is too old';
          } else {
            const at = bookmark.safeParse(event.object);
            if (at.success && isNewer(at.data.metadata.resourceVersion, version))
              version = at.data.metadata.resourceVersion;
            if (['ADDED', 'MODIFIED', 'DELETED'].includes(event.type)) {
              const name = applyEvent(event.type, event.object);
              if (name !== null) changed.add(name);
            }
          }
        }
        if (changed.size > 0) onChange([...changed]);
        if (relist !== null) {
          answer.body.destroy();
          return expire(relist, heard);
        }
        rest = rest.slice(start);
        if (rest.length > LONGEST_LINE) throw new Error('an event is too long');
      }
      if (!answer.body.complete) return expire('the stream was cut short', heard);
      return { version, heard };
    } catch (error) {
      if (!open || stop.aborted || error instanceof AnswerError) throw error;
      const reason = silence.signal.aborted ? 'fell silent' : `broke: ${describeError(error)}`;
      return expire(`the stream ${reason}`, heard);
    } finally {
      clearTimeout(timer);
    }
  };

  const expire = (reason: string, heard: boolean): { version: null; heard: boolean } => {
    report({ kind: 'relist', reason });
    return { version: null, heard };
  };

  const run = async (stop: AbortSignal): Promise<void> => {
    let version: string | null = null;
    let failures = 0;
    const isStopped = (): boolean => stop.aborted;
    while (!isStopped()) {
      let wait = 0;
      let reason = 'the connection ended';
      try {
        version ??= await list(stop);
        const began = performance.now();
        const end: { version: string | null; heard: boolean } = await follow(version, stop);
        version = end.version;
        if (performance.now() - began >= HEALTHY_MS) failures = 0;
        // Where each soon needs a LIST, LISTs come ever more rarely.
        else failures = end.heard && version !== null ? 1 : failures + 1;
      } catch (error) {
        if (isStopped()) break;
        failures += 1;
        reason = describeError(error);
        if (!(error instanceof AnswerError && error.status === 429)) version = null;
        if (error instanceof AnswerError) {
          wait = error.retryAfterMs;
          if (error.status === 401 || error.status === 403)
            report({ kind: 'refused', status: error.status, reason });
        }
      }
      if (failures === 0 || isStopped()) continue;
      const most = Math.min(LONGEST_BACKOFF_MS, backoffMs * 2 ** Math.min(failures - 1, 10));
      wait = Math.max(wait, Math.round(most * (0.5 + random() / 2)));
      trouble = reason;
      report({ kind: 'interrupted', reason, retryInMs: wait });
      await pause(wait, undefined, { signal: stop }).catch(() => undefined);
    }
  };

  return {
    start(listener) {
      if (running !== null) throw new Error('the watch is running already');
      onChange = listener;
      const stop = new AbortController();
      running = { stop, done: run(stop.signal) };
    },
    async stop() {
      running?.stop.abort();
      await running?.done;
      running = null;
    },
    get complete() {
      return complete;
    },
    get heardAt() {
      return heardAt;
    },
    get trouble() {
      return trouble;
    },
    get size() {
      return held.size;
    },
    get: (name) => held.get(name)?.value,
    *entries() {
      for (const [name, entry] of held) yield [name, entry.value];
    },
  };
}

function parseEvent(line: string): z.infer<typeof watchEvent> | null {
  try {
    return watchEvent.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}

function refuse(status: number, retryAfter: string | undefined): AnswerError {
  const seconds = Number(retryAfter ?? 0);
  return new AnswerError(
    status,
    `the API server answered ${status}`,
    Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 60) * 1000 : 0,
  );
}

/**
 * Whether one resourceVersion is later than another. API servers count them up; should one not, any
 * other version counts as later.
 */
export function isNewer(version: string, than: string): boolean {
  if (!/^\d+$/.test(version) || !/^\d+$/.test(than)) return version !== than;
  return version.length === than.length ? version > than : version.length > than.length;
}
