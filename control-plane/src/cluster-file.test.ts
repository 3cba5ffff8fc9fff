import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DEFAULT_CLUSTER_FILE, readClusterFile } from './cluster-file.ts';
import { readConfig } from './config.ts';
import { TOP } from './templates.ts';

const folder = mkdtempSync(join(tmpdir(), 'shopyard-cluster-'));
function write(text: string): string {
  const path = join(folder, `${crypto.randomUUID()}.yaml`);
  writeFileSync(path, text);
  return path;
}

test('an empty file changes nothing', () => {
  expect(readClusterFile(write(''))).toEqual(DEFAULT_CLUSTER_FILE);
  expect(DEFAULT_CLUSTER_FILE).toEqual({
    ingressAnnotations: {},
    tlsSecret: null,
    backup: {
      schedule: '17 3 * * *',
      keepDaily: 7,
      keepWeekly: 4,
      target: 'volume',
      s3: null,
    },
    platform: { off: [] },
    labels: {},
    capacity: null,
    review: 'never',
    retentionDays: 0,
    guard: { removals: 5, percent: 10, minutes: 10 },
  });
});

test('the example is one', () => {
  expect(readClusterFile(join(TOP, 'clusters/example.yaml'))).toMatchObject({
    ingressAnnotations: { 'cert-manager.io/cluster-issuer': 'letsencrypt' },
    backup: { target: 's3', s3: { bucket: 'shop-backups', secretName: 'backup-s3' } },
    platform: { certManager: { acme: 'production' }, middlewares: { burst: 200 } },
  });
});

test.each([
  ['ingress: x', /: ingress: No such field\.$/],
  ['backup: {keepDays: 3}', /: backup\.keepDays: No such field\.$/],
  ['backup: {schedule: daily}', /backup\.schedule: five fields as cron has them/],
  ['backup: {target: s3}', /backup: s3 is needed with target s3, and only then/],
  [
    'backup: {s3: {endpoint: "https://s3.example.com", bucket: bucket, secretName: s}}',
    /backup: s3 is needed with target s3/,
  ],
  ['backup: {keepDaily: 0}', /backup\.keepDaily: This must be at least 1/],
  ['ingressAnnotations: {"a b": x}', /ingressAnnotations/],
  ['ingressAnnotations: {a: 1}', /ingressAnnotations\.a: This must be text/],
  ['tlsSecret: Not A Name', /tlsSecret/],
  ['review: sometimes', /: review: This must be one of: never, destructive, always\.$/],
  ['retentionDays: 366', /: retentionDays: This must be at most 365\.$/],
  ['guard: {removals: 0}', /: guard\.removals: This must be at least 1\.$/],
  ['capacity: 0', /: capacity: This must be at least 1\.$/],
  ['labels: {region: "e u"}', /: labels\.region: a label’s value\.$/],
  ['platform: {certManager: {}}', /: platform\.certManager\.email: This is needed\.$/],
  ['platform: {istio: {}}', /: platform\.istio: No such field\.$/],
  ['platform: {grafana: true}', /: platform\.grafana: This must be a JSON object/],
  ['platform: {logs: {storage: 20GB}}', /: platform\.logs\.storage: a size such as 20Gi\.$/],
  ['platform: {logs: {}, off: [logs]}', /: platform\.off: what is off has no settings\.$/],
  ['[', /cannot be read/],
])('says what is wrong: %s', (text, message) => {
  expect(() => readClusterFile(write(text))).toThrow(message);
});

test('the setting names it; a problem with it is one of the settings’ problems', () => {
  const base = { SHOPYARD_CLUSTER: 'practice' };
  const path = write('tlsSecret: ""');
  expect(readConfig({ ...base, SHOPYARD_CLUSTER_SETTINGS: path })).toMatchObject({
    ok: true,
    config: { clusters: [{ values: { tlsSecret: '' } }] },
  });
  expect(readConfig(base)).toMatchObject({
    ok: true,
    config: { clusters: [{ retentionDays: 0, review: 'never' }] },
  });
  expect(readConfig({ ...base, SHOPYARD_CLUSTER_SETTINGS: '/nowhere.yaml' })).toMatchObject({
    ok: false,
    problems: [expect.stringMatching(/^SHOPYARD_CLUSTER_SETTINGS: \/nowhere\.yaml cannot be read/)],
  });
});
