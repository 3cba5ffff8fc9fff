/**
 * Builds fetch thousands of files from registries. Go asks for each once, npm and apt a few times: one
 * answer that broke off must not end a build of half an hour. Done again, it goes on with what had come.
 */
import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds before each further try. */
const PAUSES = [5_000, 30_000];

/** What Go, npm and apt say of a server that was away, out of order, or hung up in the middle. */
const SAID = [
  /\b50[0234] (Internal Server Error|Bad Gateway|Service Unavailable|Gateway Time-?out)/i,
  /connection (reset|refused|timed out|failed)|broken pipe|network is unreachable/i,
  /timeout|unexpected EOF|stream error|GOAWAY|server misbehaving|no such host/i,
  /\b(ECONNRESET|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|ENOTFOUND|ERR_SOCKET_TIMEOUT|E50[0234])\b/,
  /Temporary failure|Failed to fetch|Hash Sum mismatch/i,
];

/** Whether a command failed, by its words, for want of what it fetches. */
export function isBrokenDownload(said: string): boolean {
  return SAID.some((pattern) => pattern.test(said));
}

/** Does what downloads; again after a pause when it was the network that failed. */
export async function withDownloads<T>(
  work: () => Promise<T>,
  { note, pauses = PAUSES }: { note: (text: string) => void; pauses?: readonly number[] },
): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const pause = pauses[attempt];
      if (pause === undefined || !(error instanceof Error) || !isBrokenDownload(error.message))
        throw error;
      note('a download broke off; trying again');
      await delay(pause);
    }
  }
}
