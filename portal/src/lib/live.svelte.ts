/**
 * What happens to stores, as it happens. However many tabs are open, a browser holds one event
 * stream: the tab that has the lock leads and shares what it hears over a channel. Lock and channel
 * are named after the person and the tenant, so that nobody hears what another session hears.
 *
 * A tab may have missed something between loading its page and listening, when the stream broke off,
 * and when the lead changes: then what it shows is loaded again (everything that depends on `LIVE`).
 */
import { untrack } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';
import { LIVE } from './live-key.ts';
import { refresh } from './refresh.ts';
import type { Store } from './shapes.ts';

type Message =
  | { readonly kind: 'ask' }
  /** A stream is open. Each time that it connects is another epoch. */
  | { readonly kind: 'open'; readonly epoch: string }
  | { readonly kind: 'store'; readonly store: Store }
  | { readonly kind: 'resync' };

const RETRY_MS = 5000;

const stores = new SvelteMap<string, Store>();
let connected = $state(false);
let epoch: string | null = null;

export const live = {
  /** The newest that is known of a store: what was heard since, or what the page came with. */
  newest(store: Store): Store {
    return stores.get(store.id) ?? store;
  },
  /** Whether a stream is open, here or in another tab. */
  get connected(): boolean {
    return connected;
  },
};

/** Loads again what the page shows; throttled, so that a thousand events cost a few loads. */
let due: { readonly at: number; readonly timer: ReturnType<typeof setTimeout> } | null = null;
export function refreshSoon(delayMs = 1000): void {
  const at = performance.now() + delayMs;
  if (due !== null && due.at <= at) return;
  clearTimeout(due?.timer);
  const timer = setTimeout(() => {
    due = null;
    void refresh(LIVE).then((done) => {
      if (!done) refreshSoon(RETRY_MS);
    });
  }, delayMs);
  due = { at, timer };
}

// eslint-disable-next-line svelte/prefer-svelte-reactivity -- who is told; nothing is drawn from it
const followers = new Set<(store: Store) => void>();

/**
 * Loads again what the page shows whenever a store that matters to it is heard of, and once for those
 * heard of before, until the returned function is called. Nothing that `matters` reads starts it again:
 * what is loaded may not be the reason to load it.
 */
export function follow(matters: (store: Store) => boolean, delayMs?: number): () => void {
  const hear = (store: Store) => {
    if (matters(store)) refreshSoon(delayMs);
  };
  untrack(() => {
    for (const store of stores.values()) hear(store);
  });
  followers.add(hear);
  return () => void followers.delete(hear);
}

/**
 * Listens until the returned function is called.
 * @param session whose events: the same for every tab of one person in one tenant
 */
export function listen(session: string): () => void {
  const name = `shopyard-live ${session}`;
  const ending = new AbortController();
  const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel(name) : null;
  let leading = false;

  channel?.addEventListener('message', ({ data }: MessageEvent<Message>) => {
    if (data.kind !== 'ask') take(data);
    else if (leading && epoch !== null) channel.postMessage({ kind: 'open', epoch });
  });
  channel?.postMessage({ kind: 'ask' } satisfies Message);

  const lead = async () => {
    leading = true;
    await stream(ending.signal, (message) => {
      take(message);
      channel?.postMessage(message);
    });
  };
  // Locks need a secure origin; without them each tab has a stream of its own.
  const ended: Promise<unknown> =
    channel !== null && 'locks' in navigator
      ? navigator.locks.request(name, { signal: ending.signal }, lead)
      : lead();
  ended.catch(() => undefined);

  return () => {
    ending.abort();
    channel?.close();
    stores.clear();
    connected = false;
    epoch = null;
  };
}

function take(message: Exclude<Message, { kind: 'ask' }>): void {
  if (message.kind === 'store') {
    stores.set(message.store.id, message.store);
    for (const hear of followers) hear(message.store);
    return;
  }
  if (message.kind === 'open') {
    connected = true;
    if (message.epoch === epoch) return;
    epoch = message.epoch;
  }
  stores.clear();
  refreshSoon(0);
}

/** Keeps an event stream open until the signal; the browser resumes it where it broke off. */
function stream(signal: AbortSignal, tell: (message: Exclude<Message, { kind: 'ask' }>) => void) {
  return new Promise<void>((resolve) => {
    let source: EventSource | null = null;
    let retry: ReturnType<typeof setTimeout> | undefined;
    const open = () => {
      source = new EventSource('/api/events');
      // Said at every connection: one that ends may have ended because the session acts for others now.
      source.addEventListener('hello', () => tell({ kind: 'open', epoch: String(Math.random()) }));
      source.addEventListener('resync', () => tell({ kind: 'resync' }));
      source.addEventListener('store', ({ data }: MessageEvent<string>) =>
        tell({ kind: 'store', store: (JSON.parse(data) as { store: Store }).store }),
      );
      source.addEventListener('error', () => {
        connected = false;
        if (source?.readyState !== EventSource.CLOSED) return;
        // Refused for good: when the session has ended, the pages know where to go.
        void refresh();
        retry = setTimeout(open, RETRY_MS);
      });
    };
    open();
    signal.addEventListener('abort', () => {
      clearTimeout(retry);
      source?.close();
      resolve();
    });
  });
}
