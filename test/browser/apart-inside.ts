/**
 * In the browser's own network namespace: `<port> <socket> <program> <arguments>`. Passes connections
 * to the port on to the Unix socket, and runs the browser for as long as it runs.
 */
import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';

const [port = '', socket = '', program = '', ...args] = process.argv.slice(2);

const server = createServer((client) => {
  const out = connect(socket);
  for (const end of [client, out])
    end.on('error', () => {
      client.destroy();
      out.destroy();
    });
  client.pipe(out).pipe(client);
});
server.listen(Number(port), '127.0.0.1', () => {
  // Playwright speaks to it on the descriptors 3 and 4.
  const browser = spawn(program, args, { stdio: [0, 1, 2, 3, 4] });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
    process.on(signal, () => browser.kill(signal));
  browser.once('exit', (code) => process.exit(code ?? 1));
});
