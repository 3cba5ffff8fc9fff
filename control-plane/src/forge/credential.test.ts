import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createTokenReader } from './credential.ts';

const folder = mkdtempSync(join(tmpdir(), 'shopyard-credential-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a token that was given, or that its file holds now', async () => {
  expect(await createTokenReader({ token: 'given', file: undefined })()).toBe('given');
  const file = join(folder, 'token');
  const read = createTokenReader({ token: undefined, file });
  writeFileSync(file, 'first\n');
  expect(await read()).toBe('first');
  writeFileSync(file, 'second\n');
  expect(await read()).toBe('second');
});

test('more than a token is not sent, and not shown', async () => {
  const file = join(folder, 'two');
  for (const text of ['the-new-one-1234\nthe-old-one-5678\n', 'no“token”']) {
    writeFileSync(file, text);
    const refused: unknown = await createTokenReader({ token: undefined, file })().catch(
      (error: unknown) => error,
    );
    expect(refused).toMatchObject({ code: 'forge_denied', field: 'SHOPYARD_FORGE_TOKEN_FILE' });
    expect(String(refused)).not.toMatch(/-one-|token”/);
  }
  await expect(createTokenReader({ token: 'a b\nc', file: undefined })()).rejects.toMatchObject({
    code: 'forge_denied',
    field: 'SHOPYARD_FORGE_TOKEN',
  });
});

test('without one it says which setting to look at', async () => {
  const file = join(folder, 'empty');
  writeFileSync(file, ' \n');
  for (const [given, field] of [
    [{ token: undefined, file: undefined }, 'SHOPYARD_FORGE_TOKEN'],
    [{ token: undefined, file: join(folder, 'none') }, 'SHOPYARD_FORGE_TOKEN_FILE'],
    [{ token: undefined, file }, 'SHOPYARD_FORGE_TOKEN_FILE'],
  ] as const)
    await expect(createTokenReader(given)()).rejects.toMatchObject({
      code: 'forge_denied',
      field,
      hint: expect.any(String) as string,
    });
});
