/**
 * The live stream: what the events table gets, every connected browser gets.
 *
 * One reader per process polls the table's tail (poked by local writes, at least every 100 ms while
 * somebody listens) and hands each event, encoded once, to the clients who may see it. A client
 * whose socket is full gets a bounded queue that keeps only the newest event of each store; one
 * that stays full is cut off and may come back with its Last-Event-ID. Timers are the hub's: a
 * client costs a socket and a few fields.
 */
import type { ServerResponse } from 'node:http';
import {
  compareCursors,
  findTail,
  formatCursor,
  isWithinReach,
  pruneEvents,
  readEvents,
  type Cursor,
  type TailedEvent,
} from '../db/events.ts';
import { pruneIdempotency } from '../db/idempotency.ts';
import type { Db } from '../db/open.ts';
import { credentialOf, findPrincipals, type Principal } from '../db/principals.ts';
import type { Clock } from '../domain/ids.ts';
import { describeError } from '../errors.ts';
import type { Logger } from '../logger.ts';

export type HubOptions = {
  readonly db: Db;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Between heartbeats, in milliseconds; default 15 s. */
  readonly heartbeatMs?: number;
  /** Between looks at whether clients' sessions and tokens still stand; default 3 s. */
  readonly sessionCheckMs?: number;
  /** How long a full socket may stay full; default 20 s. */
  readonly stallMs?: number;
  /** Stores that may wait in a client's queue; default 2,000. */
  readonly queueLimit?: number;
};

export type Hub = {
  /** Tells the reader that something was written here: it looks at once. */
  poke(): void;
  /**
   * Serves the response as an event stream until either side ends it.
   * @param resumeFrom the client's Last-Event-ID; `unreadable` when it is not one of ours
   * @param log the request's
   */
  connect(
    response: ServerResponse,
    principal: Principal,
    resumeFrom: Cursor | 'unreadable' | null,
    log: Logger,
  ): void;
  /** How many clients are connected. */
  readonly clients: number;
  /** Seconds between the writing of the last event and its going out. */
  readonly lagSeconds: number;
  start(): void;
  /** Ends every stream and stops reading. */
  close(): Promise<void>;
};

const LIVE_POLL_MS = 100;
const FIRST_POLL_MS = 10;
const IDLE_POLL_MS = 1000;
const PRUNE_MS = 10 * 60 * 1000;
/** What a browser waits before it comes back, in milliseconds. */
const RETRY_MS = 2000;
const TOO_OLD = 'What happened since is no longer kept: load everything again.';

type Frame = { readonly text: string; readonly cursor: Cursor };

type Client = {
  readonly response: ServerResponse;
  readonly principal: Principal;
  /** Of the request that opened it. */
  readonly log: Logger;
  /** Events that wait, newest per store; null while the socket takes everything. */
  waiting: Map<string, Frame> | null;
  /** True while the past is being read for it. */
  catchingUp: boolean;
  /** When the socket became full; null while it is not. */
  fullSince: number | null;
};

export function createHub(options: HubOptions): Hub {
  const { db, clock, logger } = options;
  const heartbeatMs = options.heartbeatMs ?? 15_000;
  const sessionCheckMs = options.sessionCheckMs ?? 3000;
  const stallMs = options.stallMs ?? 20_000;
  const queueLimit = options.queueLimit ?? 2000;

  const clients = new Set<Client>();
  const timers: NodeJS.Timeout[] = [];
  let position: Cursor | null = null;
  let lagSeconds = 0;
  let pollTimer: NodeJS.Timeout | undefined;
  let pollDelay = LIVE_POLL_MS;
  let polling: Promise<void> | null = null;
  let asked = 0;
  let troubled = false;
  let checking = false;
  let closed = false;

  // ── reading ───────────────────────────────────────────────────────────────────────────────────

  function schedule(delay: number): void {
    clearTimeout(pollTimer);
    if (!closed) pollTimer = setTimeout(() => void poll(), delay);
  }

  /** Reads what is new; calls made while it runs make it run once more. */
  function poll(): Promise<void> {
    asked += 1;
    polling ??= (async () => {
      for (let served = 0; served !== asked;) {
        served = asked;
        await readOn();
      }
    })().finally(() => {
      polling = null;
      pollDelay = Math.min(pollDelay * 2, LIVE_POLL_MS);
      schedule(clients.size === 0 || troubled ? IDLE_POLL_MS : pollDelay);
    });
    return polling;
  }

  async function readOn(): Promise<void> {
    try {
      // Nobody listens: the past is skipped, not read.
      if (position === null || clients.size === 0) position = await findTail(db);
      while (clients.size > 0) {
        const events = await readEvents(db, position);
        for (const event of events) deliver(event);
        const last = events.at(-1);
        if (last === undefined) break;
        position = last.cursor;
        pollDelay = FIRST_POLL_MS;
      }
      if (troubled) logger.info({}, 'events are read again');
      troubled = false;
    } catch (error) {
      if (!troubled && !closed)
        logger.warn({ error: describeError(error) }, 'events cannot be read; trying on');
      troubled = true;
    }
  }

  function deliver(event: TailedEvent): void {
    lagSeconds = Math.max(0, (clock().getTime() - event.at.getTime()) / 1000);
    const frame = encode(event.type, event.cursor, event.body);
    for (const client of clients) if (maySee(client, event)) send(client, event, frame);
  }

  // ── sending ───────────────────────────────────────────────────────────────────────────────────

  function maySee(client: Client, event: TailedEvent): boolean {
    return client.principal.role === 'operator' || client.principal.tenantId === event.tenantId;
  }

  function send(client: Client, event: TailedEvent, frame: Frame): void {
    if (client.waiting === null) {
      write(client, frame.text);
      return;
    }
    const key = event.storeId ?? formatCursor(event.cursor);
    // Out and in again: the queue stays in the order of its cursors.
    client.waiting.delete(key);
    client.waiting.set(key, frame);
    if (client.waiting.size > queueLimit) cutOff(client, 'its queue is full');
  }

  function write(client: Client, text: string): void {
    if (client.response.write(text)) return;
    client.waiting ??= new Map();
    client.fullSince ??= clock().getTime();
  }

  /** Sends what waits, until the socket is full again. */
  function flush(client: Client): void {
    if (client.catchingUp || client.waiting === null) return;
    for (const [key, frame] of client.waiting) {
      client.waiting.delete(key);
      if (!client.response.write(frame.text)) {
        client.fullSince ??= clock().getTime();
        return;
      }
    }
    client.waiting = null;
  }

  function cutOff(client: Client, reason: string): void {
    clients.delete(client);
    client.response.destroy();
    client.log.info({ principal: client.principal.id, reason }, 'an event stream was cut off');
  }

  function end(client: Client): void {
    clients.delete(client);
    // One that does not read would not read the end either.
    if (client.fullSince === null) client.response.end();
    else client.response.destroy();
  }

  // ── joining ───────────────────────────────────────────────────────────────────────────────────

  function connect(
    response: ServerResponse,
    principal: Principal,
    resumeFrom: Cursor | 'unreadable' | null,
    log: Logger,
  ): void {
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
    });
    const client: Client = {
      response,
      principal,
      log,
      waiting: new Map(),
      catchingUp: true,
      fullSince: null,
    };
    response.on('drain', () => {
      client.fullSince = null;
      flush(client);
    });
    response.on('close', () => clients.delete(client));
    response.on('error', () => clients.delete(client));
    if (closed) {
      response.end();
      return;
    }
    clients.add(client);
    write(client, `retry: ${RETRY_MS}\n\n`);
    catchUp(client, resumeFrom).catch((error: unknown) => {
      log.warn({ error: describeError(error) }, 'an event stream could not be resumed');
      end(client);
    });
  }

  /** Says hello, then what was missed, then what came meanwhile; from there on it is live. */
  async function catchUp(client: Client, resumeFrom: Cursor | 'unreadable' | null): Promise<void> {
    // What is settled now is what `here` includes; everything later comes by `deliver`.
    await poll();
    const here = position;
    if (here === null) {
      end(client);
      return;
    }
    // `deliver` may have queued events that the poll above had already counted in.
    dropUpTo(client, here);
    const from =
      resumeFrom !== null && resumeFrom !== 'unreadable' && (await isHeld(resumeFrom, here))
        ? resumeFrom
        : null;
    greet(client, from ?? here);
    if (from !== null) await sendMissed(client, from, here);
    else if (resumeFrom !== null)
      write(client, encode('resync', here, JSON.stringify({ reason: TOO_OLD })).text);
    client.catchingUp = false;
    flush(client);
  }

  function greet(client: Client, cursor: Cursor): void {
    const body = JSON.stringify({ cursor: formatCursor(cursor) });
    write(client, encode('hello', cursor, body).text);
  }

  /** Whether everything after the cursor can still be sent. One from the future is not ours. */
  async function isHeld(cursor: Cursor, here: Cursor): Promise<boolean> {
    return compareCursors(cursor, here) <= 0 && (await isWithinReach(db, cursor));
  }

  function dropUpTo(client: Client, here: Cursor): void {
    for (const [key, frame] of client.waiting ?? [])
      if (compareCursors(frame.cursor, here) <= 0) client.waiting?.delete(key);
  }

  async function sendMissed(client: Client, after: Cursor, upTo: Cursor): Promise<void> {
    const tenantId = client.principal.role === 'operator' ? null : client.principal.tenantId;
    let from = after;
    for (;;) {
      const events = await readEvents(db, from, { upTo, tenantId });
      const last = events.at(-1);
      if (last === undefined || !clients.has(client)) return;
      // Only the newest of each store matters; the order of the cursors stays.
      const newest = new Map<string, TailedEvent>();
      for (const event of events) {
        const key = event.storeId ?? formatCursor(event.cursor);
        newest.delete(key);
        newest.set(key, event);
      }
      let text = '';
      for (const event of newest.values())
        text += encode(event.type, event.cursor, event.body).text;
      if (!client.response.write(text)) {
        client.fullSince ??= clock().getTime();
        await drained(client.response);
      }
      from = last.cursor;
    }
  }

  // ── keeping ───────────────────────────────────────────────────────────────────────────────────

  function beat(): void {
    for (const client of clients) if (client.waiting === null) write(client, ': still here\n\n');
  }

  function cutStalled(): void {
    const limit = clock().getTime() - stallMs;
    for (const client of clients)
      if (client.fullSince !== null && client.fullSince < limit) cutOff(client, 'it does not read');
  }

  /** A stream ends with its session or token, and when that no longer shows the same things. */
  async function checkSessions(): Promise<void> {
    if (clients.size === 0 || checking) return;
    checking = true;
    // Who joins while the database answers was not asked for: the answer says nothing of them.
    const present = [...clients];
    const sessions = new Set<string>();
    const tokens = new Set<string>();
    for (const { principal } of present)
      (principal.sessionId === null ? tokens : sessions).add(credentialOf(principal));
    try {
      const standing = new Map(
        (await findPrincipals(db, { sessions: [...sessions], tokens: [...tokens] }, clock())).map(
          (one) => [credentialOf(one), one],
        ),
      );
      for (const client of present) {
        const now = standing.get(credentialOf(client.principal));
        if (now?.role !== client.principal.role || now.tenantId !== client.principal.tenantId)
          end(client);
      }
    } catch (error) {
      // Without the database there are no events either; the next look decides.
      logger.debug({ error: describeError(error) }, 'sessions could not be checked');
    } finally {
      checking = false;
    }
  }

  async function prune(): Promise<void> {
    try {
      await pruneEvents(db, clock());
      await pruneIdempotency(db, clock());
    } catch (error) {
      logger.warn({ error: describeError(error) }, 'old events could not be removed');
    }
  }

  return {
    poke() {
      if (closed || clients.size === 0) return;
      pollDelay = FIRST_POLL_MS / 2;
      void poll();
    },
    connect,
    get clients() {
      return clients.size;
    },
    get lagSeconds() {
      return lagSeconds;
    },
    start() {
      timers.push(
        setInterval(beat, heartbeatMs),
        setInterval(cutStalled, Math.min(stallMs / 4, 5000)),
        setInterval(() => void checkSessions(), sessionCheckMs),
        setInterval(() => void prune(), PRUNE_MS),
      );
      void poll();
      void prune();
    },
    async close() {
      closed = true;
      for (const timer of timers) clearInterval(timer);
      clearTimeout(pollTimer);
      for (const client of clients) end(client);
      await polling;
      clearTimeout(pollTimer);
    },
  };
}

function encode(type: string, cursor: Cursor, body: string): Frame {
  return { text: `id: ${formatCursor(cursor)}\nevent: ${type}\ndata: ${body}\n\n`, cursor };
}

/** Resolves when the response takes more, or never will. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed || !response.writableNeedDrain) {
      resolve();
      return;
    }
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
