/** Milliseconds before each further try. */
const WAITS_MS = [250, 1000, 3000];

/**
 * A fetch that asks again for what the network dropped: a phone changes networks, a server is replaced
 * by its successor. Only what reads is asked again; what changes something is for its sender to repeat,
 * with the same Idempotency-Key. An answer is an answer, whatever its status.
 */
export function askAgain(
  fetch: typeof globalThis.fetch,
  sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
): typeof globalThis.fetch {
  return async (input, init) => {
    const method = init?.method ?? (input instanceof Request ? input.method : 'GET');
    for (const wait of WAITS_MS) {
      try {
        return await fetch(input, init);
      } catch (error) {
        // Whoever has changed their mind gets an AbortError.
        if (method.toUpperCase() !== 'GET' || !(error instanceof TypeError)) throw error;
        await sleep(wait);
      }
    }
    return fetch(input, init);
  };
}
