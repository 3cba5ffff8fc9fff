import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { chooseDataDir, takeDataDir } from './data-dir.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shopyard-data-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('makes its secrets once', () => {
  const first = takeDataDir(join(folder, 'data'));
  first.release();
  const second = takeDataDir(join(folder, 'data'));
  expect(second.secrets).toEqual(first.secrets);
  expect(first.secrets.forgeRead).not.toBe(first.secrets.forgeWrite);
});

test('refuses a folder that a running process holds, and says which', () => {
  takeDataDir(folder);
  expect(() => takeDataDir(folder)).toThrow(`process ${process.pid}`);
});

test('takes over from a process that is gone, or whose id is somebody else’s now', () => {
  writeFileSync(join(folder, 'control-plane.pid'), '4194305 123');
  takeDataDir(folder);
  writeFileSync(join(folder, 'control-plane.pid'), `${process.pid} 1`);
  takeDataDir(folder);
});

test('makes its secrets anew when a kill left half of them', () => {
  writeFileSync(join(folder, 'secrets.json'), '');
  const { secrets } = takeDataDir(folder);
  expect(secrets.forgeRead).toHaveLength(48);
});

test('names the setting when the folder cannot be made', () => {
  writeFileSync(join(folder, 'file'), '');
  expect(() => takeDataDir(join(folder, 'file', 'data'))).toThrow(/cannot be used/);
});

test('is beside the program, except for root in a folder that others may not enter', () => {
  chmodSync(folder, 0o700);
  expect(chooseDataDir(folder, false)).toBe(join(folder, '.shopyard'));
  expect(chooseDataDir(folder, true)).toBe('/var/lib/shopyard');
  chmodSync(folder, 0o711);
  expect(chooseDataDir(folder, true)).toBe(join(folder, '.shopyard'));
});
