/**
 * Ends an HTTP server without waiting for those who want nothing. Node counts a connection on which
 * nothing was ever asked as a busy one (clients open some to have them at hand), and keeps one whose
 * last answer has gone out: closing would wait for either until it times out.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

export type Closing = {
  /** Takes no more, lets running requests end for at most so long, then cuts off what is left. */
  close(graceMs: number): Promise<void>;
};

/** Watches a server's connections, from before it listens. */
export function prepareClosing(server: Server): Closing {
  /** Every open connection, with the number of its requests that are not yet answered. */
  const connections = new Map<Socket, number>();
  let isClosing = false;

  const count = (socket: Socket, change: 1 | -1): void => {
    const running = connections.get(socket);
    if (running === undefined) return;
    connections.set(socket, running + change);
    if (isClosing && running + change === 0) socket.destroySoon();
  };
  server.on('connection', (socket: Socket) => {
    connections.set(socket, 0);
    socket.once('close', () => connections.delete(socket));
  });
  // Before the one that answers, who may do so at once.
  server.prependListener('request', ({ socket }, response) => {
    count(socket, 1);
    response.once('close', () => count(socket, -1));
  });

  return {
    close: (graceMs) =>
      new Promise((resolve) => {
        isClosing = true;
        const timer = setTimeout(() => {
          for (const socket of connections.keys()) socket.destroy();
        }, graceMs);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        for (const [socket, running] of connections) if (running === 0) socket.destroy();
      }),
  };
}
