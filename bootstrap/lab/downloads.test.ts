import { expect, test } from 'vitest';
import { runCommand } from './command.ts';
import { isBrokenDownload, withDownloads } from './downloads.ts';

test.each([
  'go: example.com/a@v1.0.0: reading https://proxy.golang.org/a/@v/v1.0.0.zip: 502 Bad Gateway',
  'go: example.com/a@v1.0.0: Get "https://proxy.golang.org/a": read tcp 10.0.0.2:40000->192.0.2.1:443: read: connection reset by peer',
  'go: example.com/a@v1.0.0: Get "https://proxy.golang.org/a": net/http: TLS handshake timeout',
  'npm error code ECONNRESET\nnpm error network aborted',
  'npm error code E503\nnpm error 503 Service Unavailable - GET https://registry.npmjs.org/a',
  'E: Failed to fetch http://deb.debian.org/debian/a.deb  Connection failed [IP: 192.0.2.1 80]',
])('is the network’s: %s', (said) => {
  expect(isBrokenDownload(said)).toBe(true);
});

test.each([
  './main.go:5:2: undefined: nothing',
  'go: example.com/a@v9.9.9: reading https://proxy.golang.org/a/@v/v9.9.9.info: 404 Not Found',
  'npm error code ERESOLVE\nnpm error could not resolve',
  'E: Unable to locate package nothing',
])('is not: %s', (said) => {
  expect(isBrokenDownload(said)).toBe(false);
});

test('what the network broke is done again, a few times, and nothing else', async () => {
  let tries = 0;
  const failing = (said: string, times: number) => {
    tries = 0;
    return withDownloads(
      async () => {
        tries += 1;
        if (tries <= times) await runCommand('sh', ['-c', `echo "${said}" >&2; exit 1`]);
        return tries;
      },
      { note: () => undefined, pauses: [1, 1] },
    );
  };
  expect(await failing('unexpected EOF', 2)).toBe(3);
  await expect(failing('unexpected EOF', 3)).rejects.toThrow('unexpected EOF');
  await expect(failing('undefined: nothing', 1)).rejects.toThrow('undefined: nothing');
  expect(tries).toBe(1);
});
