/** Bodies of answers that may be longer than we want to hold. */
import { buffer } from 'node:stream/consumers';

/** The answer was longer than allowed. */
export class TooLarge extends Error {
  override readonly name = 'TooLarge';
}

/** Reads a body to its end. Throws TooLarge, or what the connection died of. */
export async function readLimited(
  body: ReadableStream<Uint8Array> | null,
  atMost: number,
): Promise<string> {
  return (await buffer(limit(body, atMost))).toString('utf8');
}

async function* limit(
  body: ReadableStream<Uint8Array> | null,
  atMost: number,
): AsyncIterable<Uint8Array> {
  if (body === null) return;
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > atMost) throw new TooLarge(`the answer is longer than ${String(atMost)} bytes`);
    yield chunk;
  }
}
