import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectCluster, connectLater, readBody } from './connection.ts';

/** How often each connection may be asked; after that it is closed without an answer. */
let answersEach: number;
const asked = new Map<Socket, number>();
const server = createServer((request, response) => {
  const before = asked.get(request.socket) ?? 0;
  asked.set(request.socket, before + 1);
  if (before >= answersEach) request.socket.destroy();
  else response.end(request.url);
});

let folder: string;
let kubeconfig: string;
let write: (token: string) => Promise<void>;
beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  folder = await mkdtemp(join(tmpdir(), 'shopyard-connection-'));
  kubeconfig = join(folder, 'kubeconfig');
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  write = (token) =>
    writeFile(
      kubeconfig,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'c',
        clusters: [{ name: 'c', cluster: { server: address, 'insecure-skip-tls-verify': true } }],
        users: [{ name: 'u', user: { token } }],
        contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      }),
    );
  await write('t');
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  await rm(folder, { recursive: true, force: true });
});

test('asks again when the connection was closed just as the question took it', async () => {
  answersEach = 1;
  asked.clear();
  const connection = connectCluster(kubeconfig);
  for (const path of ['/one', '/two', '/three']) {
    const { body } = await connection.get(path, AbortSignal.timeout(10_000));
    expect(await readBody(body, 100)).toBe(path);
  }
  connection.close();
  // The second question went over the first's connection, and once more over one of its own.
  expect([...asked.values()]).toEqual([2, 2, 1]);
});

test('does not ask again when a new connection is closed', async () => {
  answersEach = 0;
  asked.clear();
  const connection = connectCluster(kubeconfig);
  await expect(connection.get('/one', AbortSignal.timeout(10_000))).rejects.toThrow('hang up');
  connection.close();
  expect([...asked.values()]).toEqual([1]);
});

test('a kubeconfig that was replaced ends when the new one does', async () => {
  const end = new Date('2027-03-01T12:00:00Z');
  const claims = Buffer.from(JSON.stringify({ exp: end.getTime() / 1_000 })).toString('base64url');
  const connection = connectLater(kubeconfig);
  expect(await connection.credentialEnd()).toBeNull();
  await write(`e30.${claims}.c2ln`);
  expect(await connection.credentialEnd()).toEqual(end);
  await rm(kubeconfig);
  await expect(connection.credentialEnd()).rejects.toThrow('cannot be read');
  await write('t');
  expect(await connection.credentialEnd()).toBeNull();
  connection.close();
});
