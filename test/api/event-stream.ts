/** A reader of server-sent events over a plain socket: it can stop reading, as browsers can. */
import { request, type IncomingMessage } from 'node:http';

export type StreamEvent = { readonly id: string; readonly type: string; readonly data: unknown };

export type EventStream = {
  readonly status: number;
  readonly events: readonly StreamEvent[];
  /** Comments, which are heartbeats. */
  readonly comments: () => number;
  readonly ended: () => boolean;
  readonly response: IncomingMessage;
  close(): void;
};

/** @param shown a token, or a browser's cookie */
export function openStream(
  url: string,
  shown: string | { readonly cookie: string },
  lastEventId?: string,
): Promise<EventStream> {
  return new Promise((resolve, reject) => {
    const events: StreamEvent[] = [];
    let comments = 0;
    let ended = false;
    let buffer = '';
    const outgoing = request(
      `${url}/api/events`,
      {
        headers: {
          ...(typeof shown === 'string'
            ? { Authorization: `Bearer ${shown}` }
            : { Cookie: shown.cookie }),
          ...(lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId }),
        },
      },
      (response) => {
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          buffer += chunk;
          for (let end = buffer.indexOf('\n\n'); end !== -1; end = buffer.indexOf('\n\n')) {
            const block = buffer.slice(0, end);
            buffer = buffer.slice(end + 2);
            if (block.startsWith(':')) comments += 1;
            else if (block.includes('event: ')) events.push(readBlock(block));
          }
        });
        response.on('close', () => (ended = true));
        response.on('error', () => (ended = true));
        resolve({
          status: response.statusCode ?? 0,
          events,
          comments: () => comments,
          ended: () => ended,
          response,
          close: () => outgoing.destroy(),
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
}

function readBlock(block: string): StreamEvent {
  const fields = new Map(
    block.split('\n').map((line) => {
      const colon = line.indexOf(': ');
      return [line.slice(0, colon), line.slice(colon + 2)] as const;
    }),
  );
  return {
    id: fields.get('id') ?? '',
    type: fields.get('event') ?? '',
    data: JSON.parse(fields.get('data') ?? 'null'),
  };
}
