import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureCertificates, frontProxyName } from './certificates.ts';
import { layOut, network } from './layout.ts';
import { describeMetricsApi } from './objects.ts';
import { resolveLabPaths } from './paths.ts';

const folder = await mkdtemp(join(tmpdir(), 'shopyard-certificates-'));
const layout = layOut(resolveLabPaths({ SHOPYARD_LAB_DIR: folder, SHOPYARD_CACHE_DIR: folder }));

const read = async (name: string): Promise<X509Certificate> =>
  new X509Certificate(await readFile(join(layout.pki, `${name}.crt`)));

beforeAll(() => ensureCertificates(layout));
afterAll(() => rm(folder, { recursive: true }));

test('the API server knows metrics-server by the name of its Service', async () => {
  const certificate = await read('metrics-server');
  expect(certificate.checkIssued(await read('ca'))).toBe(true);
  const { service } = describeMetricsApi('').spec as {
    service: { name: string; namespace: string };
  };
  const host = `${service.name}.${service.namespace}.svc`;
  expect(certificate.checkHost(host)).toBe(host);
  expect(certificate.checkIP(network.address)).toBe(network.address);
});

test('who may speak for others has an authority of its own, which signs nobody else', async () => {
  const frontProxy = await read(frontProxyName);
  expect(frontProxy.subject).toBe(`CN=${frontProxyName}`);
  expect(frontProxy.verify((await read('front-proxy-ca')).publicKey)).toBe(true);
  expect(frontProxy.verify((await read('ca')).publicKey)).toBe(false);
  const others = ['apiserver', 'admin', 'argocd', 'metrics-server'];
  for (const name of others)
    expect((await read(name)).checkIssued(await read('front-proxy-ca')), name).toBe(false);
});

test('a lab made by an earlier checkout gets what is new and keeps the rest', async () => {
  const serials = async (...names: string[]): Promise<string[]> =>
    Promise.all(names.map(async (name) => (await read(name)).serialNumber));
  const before = await serials('ca', 'apiserver', 'admin');
  const key = await readFile(join(layout.pki, 'service-account.key'), 'utf8');
  const [lost] = await serials('metrics-server');
  await rm(join(layout.pki, 'metrics-server.crt'));
  await ensureCertificates(layout);
  expect(await serials('ca', 'apiserver', 'admin')).toEqual(before);
  expect(await readFile(join(layout.pki, 'service-account.key'), 'utf8')).toBe(key);
  expect(await serials('metrics-server')).not.toEqual([lost]);
});
