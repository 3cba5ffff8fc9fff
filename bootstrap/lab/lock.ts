/**
 * One `up` or `down` at a time: who works on a lab listens on an abstract Unix socket named after
 * its folder. The kernel gives that name to one process and takes it back when the process ends,
 * however it ends: there is no lock that can be left behind.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import type { LabLayout } from './layout.ts';

/** Runs `work` while no other process does the like for the same lab. */
export async function withLock(layout: LabLayout, work: () => Promise<void>): Promise<void> {
  const name = createHash('sha256').update(layout.root).digest('hex').slice(0, 32);
  const address = `\0shopyard-lab-${name}`;
  const server = createServer((socket) =>
    socket.on('error', () => undefined).end(`${process.pid}`),
  );
  try {
    await once(server.listen(address), 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    const holder = await askHolder(address);
    throw new Error(`Another lab command is at work${holder}; wait for it to end.`, {
      cause: error,
    });
  }
  try {
    await work();
  } finally {
    server.close();
  }
}

/** ` (process 123)`; nothing when the holder has just ended or is busy. */
async function askHolder(address: string): Promise<string> {
  try {
    const socket = createConnection(address).setTimeout(10_000, () => socket.destroy());
    return ` (process ${await text(socket)})`;
  } catch {
    return '';
  }
}
