import { once } from 'node:events';
import { Agent, createServer, get, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { prepareClosing, type Closing } from './closing.ts';

/** Longer than any of these tests may take: closing must not wait for it. */
const LONG_MS = 60_000;

let closing: Closing;
let port: number;
/** What is asked at /slow, answered when a test says so. */
let slow: ServerResponse[];
let sockets: Socket[];
let agent: Agent;

beforeEach(async () => {
  slow = [];
  sockets = [];
  agent = new Agent({ keepAlive: true });
  const server = createServer({ keepAliveTimeout: LONG_MS }, (request, response) => {
    if (request.url === '/slow') slow.push(response);
    else response.end('at once');
  });
  closing = prepareClosing(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});
afterEach(async () => {
  agent.destroy();
  for (const socket of sockets) socket.destroy();
  await closing.close(0);
});

async function open(said: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  await once(socket, 'connect');
  socket.write(said);
  return socket;
}

async function read(path: string): Promise<string> {
  const [response] = (await once(get({ host: '127.0.0.1', port, path, agent }), 'response')) as [
    AsyncIterable<Buffer>,
  ];
  let text = '';
  for await (const chunk of response) text += chunk.toString('utf8');
  return text;
}

test('nobody waits for a connection that asked nothing, half of something, or was answered', async () => {
  await open('');
  await open('GET / HTT');
  expect(await read('/')).toBe('at once');
  await closing.close(LONG_MS);
});

test('a running request is answered first, and its connection closed after it', async () => {
  const reading = read('/slow');
  await expect.poll(() => slow.length).toBe(1);
  const closed = closing.close(LONG_MS);
  await expect(read('/')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  slow[0]?.end('in the end');
  expect(await reading).toBe('in the end');
  await closed;
});

test('what does not end in time is cut off', async () => {
  const reading = read('/slow');
  reading.catch(() => undefined);
  await expect.poll(() => slow.length).toBe(1);
  await closing.close(50);
  await expect(reading).rejects.toMatchObject({ code: 'ECONNRESET' });
});
