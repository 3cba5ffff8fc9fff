import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { PlatformError } from './errors.ts';
import { createLogger } from './logger.ts';

const SECRET = 'canary "of\\ the logs" é/1';
const TOKEN = 'shop_QmFzZTY0LWlzaC10b2tlbi1vZi10aGUtdGVzdHM';

function open(secrets: readonly string[] = []) {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  return { lines, logger: createLogger('trace', new Set(secrets), { write }) };
}

describe('what slips into a line is taken out of it, and the line stays one of JSON', () => {
  test.each([
    ['a field of that name, however deep', { a: { b: { c: { password: SECRET } } } }],
    ['a list under that name', { headers: { 'set-cookie': [SECRET, SECRET] } }],
    ['a header', { request: { headers: { Authorization: `Bearer ${SECRET}` } } }],
    ['names that end so', { webhookSecret: SECRET, api_token: SECRET, 'x-hub-signature': SECRET }],
  ])('%s', (_what, object) => {
    const { lines, logger } = open();
    logger.info(object, 'said');
    expect(lines.join('')).not.toContain('canary');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ msg: 'said' });
    expect(lines[0]).toContain('[redacted]');
  });

  test.each([
    ['of an address', 'cannot reach postgres://shop:canary-pass@db.test:5432/shop now'],
    ['of an address, as a user', 'git clone https://canary-token@git.test/a/b.git failed'],
    ['of a header', 'sent Authorization: Basic Y2FuYXJ5OmNhbmFyeQ== and got 401'],
    ['of a session', 'Cookie: shopyard.session_token=canary.c2lnbmF0dXJl; a=b'],
    ['of ours', `who is ${TOKEN}?`],
  ])('a credential %s, in the words and the causes of an error', (_what, words) => {
    const { lines, logger } = open();
    const cause = new Error(words);
    logger.error({ err: new PlatformError('x', 'it failed', { cause }) }, words);
    logger.child({ request: 'req_1' }).warn({ err: cause });
    const text = lines.join('');
    expect(text).not.toMatch(/canary|Y2FuYXJ5|shop_Qm/);
    for (const line of lines) expect(JSON.parse(line)).toHaveProperty('err');
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({ request: 'req_1' });
  });

  test('what the process was given, wherever it stands and however it is written', () => {
    const { lines, logger } = open([SECRET]);
    logger.info({ note: `see ${SECRET}!`, address: `/x?y=${encodeURIComponent(SECRET)}` }, SECRET);
    expect(lines.join('')).not.toMatch(/canary/);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      note: 'see [redacted]!',
      address: '/x?y=[redacted]',
      msg: '[redacted]',
    });
  });
});

test('what is no secret stays, word for word', () => {
  const { lines, logger } = open(['short']);
  const said = {
    operation: 'op_1',
    path: '/api/stores/st_1',
    url: 'https://git.test/shops/cluster.git',
    token: null,
    problem: 'short of tokens: ask ada@people.test',
  };
  logger.info(said, 'a shop_keeper said: “basic needs”');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    ...said,
    msg: 'a shop_keeper said: “basic needs”',
  });
});

test('a line is out before the next statement: a process that is killed takes none with it', () => {
  // The only thread is busy: what is left to it is never written.
  const script = `
    import { pbkdf2 } from 'node:crypto';
    import { createLogger } from '${join(import.meta.dirname, 'logger.ts')}';
    const logger = createLogger('info');
    pbkdf2('a', 'b', 100_000_000, 64, 'sha512', () => {});
    logger.info('first');
    logger.info('last');
    process.kill(process.pid, 'SIGKILL');
  `;
  const { stdout, signal, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', script],
    { env: { ...process.env, UV_THREADPOOL_SIZE: '1' }, encoding: 'utf8' },
  );
  expect(signal, stderr).toBe('SIGKILL');
  expect(stdout).toMatch(/"msg":"first"\}\n.*"msg":"last"\}\n$/);
});
