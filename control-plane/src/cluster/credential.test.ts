import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findCredentialEnd } from './credential.ts';

/** Of nobody, signed by itself, until CERTIFICATE_END. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBezCCASGgAwIBAgIUSCn7wjEPeHGynM4dbsIan+Gj4KEwCgYIKoZIzj0EAwIw
EzERMA8GA1UEAwwIb2JzZXJ2ZXIwHhcNMjYxMTIyMTgyMTUwWhcNMjcxMTIyMTgy
MTUwWjATMREwDwYDVQQDDAhvYnNlcnZlcjBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABAS2+9tcqbYLizmpoELbVppjjZZVRXhZ6Lg8NPiTcrYVcgyv6spqBGKQtJcB
0B4dymRKR3ThBuq4ukgKy+AUnCijUzBRMB0GA1UdDgQWBBTFr3hoWMwE8Kc5hUfg
hoiyxNEwmzAfBgNVHSMEGDAWgBTFr3hoWMwE8Kc5hUfghoiyxNEwmzAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQDYlrL0KpcSb5PcA6AvxnRIbxo8
UoqpmwWuT1oPcEkztQIgZ/u15YEjNVwEVvUbfrfMlcFO1/tmuZx5YNXVqzUWXdk=
-----END CERTIFICATE-----
`;
const CERTIFICATE_END = new Date('2027-11-22T18:21:50Z');
const certData = Buffer.from(CERTIFICATE).toString('base64');

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const jwt = (claims: unknown): string =>
  `${encode({ alg: 'RS256' })}.${encode(claims)}.c2lnbmF0dXJl`;
const end = new Date('2027-03-01T12:00:00Z');
const token = jwt({ exp: end.getTime() / 1_000, sub: 'system:serviceaccount:a:b' });

test('a ServiceAccount’s token ends when its claim says', async () => {
  expect(await findCredentialEnd({ name: 'u', token })).toEqual(end);
});

test('a client certificate ends, be it in the kubeconfig or a file of its own', async () => {
  expect(await findCredentialEnd({ name: 'u', certData })).toEqual(CERTIFICATE_END);
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-credential-'));
  try {
    const certFile = join(folder, 'client.crt');
    await expect(findCredentialEnd({ name: 'u', certFile })).rejects.toThrow('ENOENT');
    await writeFile(certFile, CERTIFICATE);
    expect(await findCredentialEnd({ name: 'u', certFile })).toEqual(CERTIFICATE_END);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('of both the one that ends first counts', async () => {
  expect(await findCredentialEnd({ name: 'u', token, certData })).toEqual(end);
  const later = jwt({ exp: CERTIFICATE_END.getTime() / 1_000 + 60 });
  expect(await findCredentialEnd({ name: 'u', token: later, certData })).toEqual(CERTIFICATE_END);
});

test.each([
  ['a token that is no JWT', { token: 'a1b2c3' }],
  ['a JWT without an end', { token: jwt({ sub: 'a' }) }],
  ['an end that is no moment', { token: jwt({ exp: 1e300 }) }],
  ['claims that are none', { token: jwt(null) }],
  ['three words with points', { token: 'a.b.c' }],
  ['a password', { username: 'a', password: 'b' }],
  ['the pod’s own file', { authProvider: { name: 'tokenFile', config: { tokenFile: '/none' } } }],
  ['a command that fetches one', { exec: { command: 'aws' }, token }],
  ['nobody in particular', {}],
])('%s has no end that is known', async (_what, user) => {
  expect(await findCredentialEnd({ name: 'u', ...user })).toBeNull();
});
