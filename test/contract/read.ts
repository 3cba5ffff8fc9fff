/** Reading a WATCH line by line, for recorder and contract alike. */
import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { readObjectName } from '../../control-plane/src/domain/observation.ts';

const watchEvent = z.object({ type: z.string(), object: z.unknown() });
export type WatchEvent = z.infer<typeof watchEvent>;

export async function* readJsonLines(body: IncomingMessage): AsyncGenerator<WatchEvent> {
  for await (const line of createInterface({ input: body }))
    if (line.trim() !== '') yield watchEvent.parse(JSON.parse(line));
}

export const readName = readObjectName;
