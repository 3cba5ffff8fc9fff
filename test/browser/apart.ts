/**
 * A browser that sees nothing of this machine's network. Chromium gives up whatever it is waiting to
 * load whenever an interface gets or loses an address (ERR_NETWORK_CHANGED), and every pod that comes
 * or goes on a lab beside the tests is such a change. So it runs in a network namespace of its own,
 * where there is nothing but a loopback, and comes out through a SOCKS proxy on a Unix socket, which
 * leads to this machine's loopback alone.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tryCommand } from '../../bootstrap/lab/command.ts';
import type { Chromium } from './chromium.ts';

/** Of the proxy, in the namespace. */
const PORT = 1080;

type Apart = { readonly chromium: Chromium; readonly remove: () => Promise<void> };

/** Where namespaces cannot be made, the browser as it is. */
export async function setApart(chromium: Chromium): Promise<Apart> {
  const alone = await tryCommand('unshare', ['--net', 'ip', 'link', 'set', 'lo', 'up']).catch(
    () => null,
  );
  if (alone?.status !== 0) return { chromium, remove: () => Promise.resolve() };
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-apart-'));
  const socket = join(folder, 'way-out');
  const relay = createServer((client) => {
    serveSocks(client).catch(() => client.destroy());
  });
  await new Promise<void>((resolve) => relay.listen(socket, resolve));
  const executable = join(folder, 'chromium');
  const inside = join(import.meta.dirname, 'apart-inside.ts');
  const start = [process.execPath, inside, String(PORT), socket, chromium.executable];
  await writeFile(
    executable,
    `#!/bin/sh\nexec unshare --net sh -c 'ip link set lo up && exec "$@"' sh ${start.map((word) => `'${word}'`).join(' ')} "$@"\n`,
    { mode: 0o755 },
  );
  return {
    chromium: {
      ...chromium,
      executable,
      args: [
        ...chromium.args,
        `--proxy-server=socks5://127.0.0.1:${PORT}`,
        // Chromium asks no proxy for the loopback, unless it is told to.
        '--proxy-bypass-list=<-loopback>',
      ],
    },
    remove: async () => {
      relay.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** SOCKS 5 (RFC 1928) as far as Chromium speaks it here: no sign-in, connections only. */
async function serveSocks(client: Socket): Promise<void> {
  client.on('error', () => client.destroy());
  const [, methods = 0] = await read(client, 2);
  await read(client, methods);
  client.write(Buffer.of(5, 0));
  const [, command, , kind] = await read(client, 4);
  const length = kind === 1 ? 4 : kind === 4 ? 16 : ((await read(client, 1))[0] ?? 0);
  const host = await read(client, length);
  const port = (await read(client, 2)).readUInt16BE();
  const name = kind === 3 ? host.toString('latin1') : host.join('.');
  const isHere = name === '127.0.0.1' || name === 'localhost' || name.endsWith('.localhost');
  if (command !== 1 || !isHere) {
    // Not allowed by the rules.
    client.end(Buffer.of(5, 2, 0, 1, 0, 0, 0, 0, 0, 0));
    return;
  }
  const target = connect(port, '127.0.0.1');
  target.once('connect', () => {
    client.write(Buffer.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
    client.pipe(target).pipe(client);
  });
  target.once('error', () => {
    // Refused; or broken off, when it was connected.
    if (target.bytesRead === 0) client.end(Buffer.of(5, 5, 0, 1, 0, 0, 0, 0, 0, 0));
    else client.destroy();
  });
  client.once('close', () => target.destroy());
  target.once('close', () => client.end());
}

async function read(socket: Socket, length: number): Promise<Buffer> {
  if (length === 0) return Buffer.alloc(0);
  for (;;) {
    const bytes = socket.read(length) as Buffer | null;
    if (bytes !== null) return bytes;
    if (socket.readableEnded || socket.destroyed) throw new Error('the client has gone');
    await new Promise<void>((resolve) => {
      const go = (): void => {
        for (const event of ['readable', 'end', 'close']) socket.off(event, go);
        resolve();
      };
      for (const event of ['readable', 'end', 'close']) socket.on(event, go);
    });
  }
}
