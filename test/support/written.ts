/** Files that are written from code and kept: `GOLDEN_UPDATE=1` writes them, else they must be equal. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { expect } from 'vitest';

/** The text is formatted by the rules of this repository. */
export async function expectWritten(path: string, text: string): Promise<void> {
  const formatted = await format(text, { ...(await resolveConfig(path)), filepath: path });
  if (process.env.GOLDEN_UPDATE === '1') {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, formatted);
  }
  expect(await readFile(path, 'utf8')).toBe(formatted);
}
