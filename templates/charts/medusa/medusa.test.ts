/**
 * What the Medusa chart makes of its own options and address; charts.test.ts has what every chart must hold to.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { publishCharts, render, storeValues } from '../published-charts.ts';
import {
  findHelm,
  podTemplateOf,
  waveOf,
  type Container,
  type Manifest,
  type Values,
} from '../render-chart.ts';

const { charts, remove } = await publishCharts();
afterAll(remove);

const found = findHelm();
const chart = charts.find(({ name }) => name === 'medusa');
if (chart === undefined) throw new Error('There is no chart medusa.');

describe.skipIf(found === undefined)('chart medusa', () => {
  const helm = found ?? '';
  const rendered = (values: Values = {}): Promise<Manifest[]> =>
    render(helm, chart, storeValues(values));
  const pick = (manifests: readonly Manifest[], kind: string, name: string) =>
    manifests.find((m) => m.kind === kind && m.metadata.name === name);
  const containerOf = (manifests: readonly Manifest[], kind: string, name: string): Container => {
    const manifest = pick(manifests, kind, name);
    const container = manifest && podTemplateOf(manifest)?.spec.containers[0];
    if (container === undefined) throw new Error(`No container of ${kind} ${name}.`);
    return container;
  };
  const environment = (container: Container) =>
    Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value]));

  test('one host: what the backend serves goes to it, all else to the storefront', async () => {
    const ingress = pick(await rendered(), 'Ingress', 'web')?.spec as unknown as {
      rules: {
        http: {
          paths: { path: string; pathType: string; backend: { service: { name: string } } }[];
        };
      }[];
    };
    expect(ingress.rules).toHaveLength(1);
    const routes = ingress.rules[0]?.http.paths.map(
      ({ path, pathType, backend }) => `${pathType} ${path} → ${backend.service.name}`,
    );
    expect(routes).toEqual([
      ...['/admin', '/app', '/auth', '/health', '/hooks', '/static', '/store'].map(
        (path) => `Prefix ${path} → backend`,
      ),
      'Prefix / → web',
    ]);
  });

  test('the address reaches backend, set-up and storefront', async () => {
    const manifests = await rendered({ url: 'https://shop.example.com' });
    for (const [kind, name] of [
      ['Deployment', 'backend'],
      ['Deployment', 'web'],
      ['Job', 'setup'],
    ] as const)
      expect(environment(containerOf(manifests, kind, name))).toMatchObject({
        STORE_URL: 'https://shop.example.com',
        STORE_NAME: 'shop',
      });
  });

  test('the options reach the set-up Job as its program reads them', async () => {
    const options = { currency: 'SEK', country: 'NO', sample_products: false };
    expect(environment(containerOf(await rendered({ options }), 'Job', 'setup'))).toMatchObject({
      OPTION_CURRENCY: 'SEK',
      OPTION_COUNTRY: 'NO',
      OPTION_SAMPLES: 'false',
    });
  });

  test('the backend works for itself, unless a worker does it', async () => {
    const mode = (manifests: readonly Manifest[], name: string) =>
      environment(containerOf(manifests, 'Deployment', name)).MEDUSA_WORKER_MODE;
    const alone = await rendered();
    expect(mode(alone, 'backend')).toBe('shared');
    expect(pick(alone, 'Deployment', 'worker')).toBeUndefined();

    const having = await rendered({ options: { worker: true } });
    expect(mode(having, 'backend')).toBe('server');
    expect(mode(having, 'worker')).toBe('worker');
    // It is no visitor's: it has no Service, and does not share the backend's volume.
    expect(pick(having, 'Service', 'worker')).toBeUndefined();
    const worker = pick(having, 'Deployment', 'worker');
    const volumes = (worker && podTemplateOf(worker)?.spec.volumes) ?? [];
    expect(volumes.filter((volume) => 'persistentVolumeClaim' in volume)).toEqual([]);
  });

  test('the schema is brought up to date before any pod serves on it', async () => {
    const manifests = await rendered({ options: { worker: true } });
    const wave = (kind: string, name: string): number => {
      const manifest = pick(manifests, kind, name);
      if (manifest === undefined) throw new Error(`No ${kind} ${name}.`);
      return waveOf(manifest);
    };
    expect(wave('StatefulSet', 'database')).toBeLessThan(wave('Job', 'setup'));
    expect(wave('StatefulSet', 'redis')).toBeLessThan(wave('Job', 'setup'));
    for (const name of ['backend', 'worker', 'web'])
      expect(wave('Deployment', name)).toBeGreaterThan(wave('Job', 'setup'));
    // Two versions never work on one schema; the storefront, which has none, is replaced without a gap.
    const strategy = (name: string) => pick(manifests, 'Deployment', name)?.spec?.strategy?.type;
    expect([strategy('backend'), strategy('worker')]).toEqual(['Recreate', 'Recreate']);
    expect(strategy('web')).toBe('RollingUpdate');
  });

  test('Redis keeps what it holds, and refuses to write rather than forget', async () => {
    const redis = pick(await rendered(), 'StatefulSet', 'redis');
    expect(redis?.spec?.volumeClaimTemplates).toHaveLength(1);
    const [container] = (redis && podTemplateOf(redis)?.spec.containers) ?? [];
    expect(container?.args).toEqual(['--maxmemory', '96mb']);
  });

  test('each pod has the keys that it needs, and no others', async () => {
    const manifests = await rendered({ options: { worker: true } });
    const keysOf = (kind: string, name: string): string[] => {
      const manifest = pick(manifests, kind, name);
      const volumes = (manifest && podTemplateOf(manifest)?.spec.volumes) ?? [];
      return volumes.flatMap((volume) => {
        const secret = volume.secret as
          { secretName: string; items: { key: string }[] } | undefined;
        return secret?.items.map(({ key }) => `${secret.secretName}/${key}`) ?? [];
      });
    };
    const medusa = ['database-password', 'redis-password', 'jwt-secret', 'cookie-secret'].map(
      (key) => `store-internal/${key}`,
    );
    expect(keysOf('Deployment', 'web')).toEqual(['store-api/publishable_key']);
    expect(keysOf('Deployment', 'backend')).toEqual(medusa);
    expect(keysOf('Deployment', 'worker')).toEqual(medusa);
    expect(keysOf('StatefulSet', 'database')).toEqual(['store-internal/database-password']);
    expect(keysOf('StatefulSet', 'redis')).toEqual(['store-internal/redis-password']);
    expect(keysOf('Job', 'secrets')).toEqual([]);
    expect(keysOf('Job', 'setup')).toEqual([
      ...medusa,
      ...['username', 'password', 'email'].map((key) => `store-admin/${key}`),
      ...['secret_key', 'publishable_key'].map((key) => `store-api/${key}`),
    ]);
  });
});
