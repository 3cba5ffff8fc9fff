import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureCertificates } from './certificates.ts';
import { layOut } from './layout.ts';
import { resolveLabPaths } from './paths.ts';

const folder = await mkdtemp(join(tmpdir(), 'shopyard-certificates-'));
const layout = layOut(resolveLabPaths({ SHOPYARD_LAB_DIR: folder, SHOPYARD_CACHE_DIR: folder }));

const read = async (name: string): Promise<X509Certificate> =>
  new X509Certificate(await readFile(join(layout.pki, `${name}.crt`)));

beforeAll(() => ensureCertificates(layout));
afterAll(() => rm(folder, { recursive: true }));

test('a lab made by an earlier checkout gets what is new and keeps the rest', async () => {
  const serials = async (...names: string[]): Promise<string[]> =>
    Promise.all(names.map(async (name) => (await read(name)).serialNumber));
  const before = await serials('ca', 'apiserver', 'admin');
  const key = await readFile(join(layout.pki, 'service-account.key'), 'utf8');
  const [lost] = await serials('keeper');
  await rm(join(layout.pki, 'keeper.crt'));
  await ensureCertificates(layout);
  expect(await serials('ca', 'apiserver', 'admin')).toEqual(before);
  expect(await readFile(join(layout.pki, 'service-account.key'), 'utf8')).toBe(key);
  expect(await serials('keeper')).not.toEqual([lost]);
});
