/**
 * What the WooCommerce chart makes of its own options and address; charts.test.ts has what every chart must hold to.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { publishCharts, render, storeValues } from '../published-charts.ts';
import {
  findHelm,
  podTemplateOf,
  type Container,
  type Manifest,
  type Values,
} from '../render-chart.ts';

const { charts, remove } = await publishCharts();
afterAll(remove);

const found = findHelm();
const chart = charts.find(({ name }) => name === 'woocommerce');
if (chart === undefined) throw new Error('There is no chart woocommerce.');

describe.skipIf(found === undefined)('chart woocommerce', () => {
  const helm = found ?? '';
  const rendered = (values: Values): Promise<Manifest[]> =>
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

  test('the probe asks as a visitor does, and a database that is away kills no pods', async () => {
    const headers = async (url: string) => {
      const { readinessProbe, livenessProbe } = containerOf(
        await rendered({ url }),
        'Deployment',
        'web',
      );
      expect(livenessProbe?.tcpSocket).toBeDefined();
      return readinessProbe?.httpGet?.httpHeaders;
    };
    expect(await headers('http://shop.localhost:8088')).toEqual([
      { name: 'Host', value: 'shop.localhost:8088' },
    ]);
    expect(await headers('https://shop.example.com')).toEqual([
      { name: 'Host', value: 'shop.example.com' },
      { name: 'X-Forwarded-Proto', value: 'https' },
    ]);
  });

  test('the options reach the set-up Job as its program reads them', async () => {
    const options = {
      currency: 'SEK',
      country: 'SE',
      sample_products: false,
      theme: 'twentytwentyfour',
    };
    expect(environment(containerOf(await rendered({ options }), 'Job', 'setup'))).toMatchObject({
      OPTION_CURRENCY: 'SEK',
      OPTION_COUNTRY: 'SE',
      OPTION_SAMPLES: 'false',
      OPTION_THEME: 'twentytwentyfour',
    });
    // A country that YAML 1.1 would read as a truth value.
    const norway = containerOf(await rendered({ options: { country: 'NO' } }), 'Job', 'setup');
    expect(environment(norway)['OPTION_COUNTRY']).toBe('NO');
  });

  test('the object cache is a Redis without a volume, known to whatever loads WordPress', async () => {
    const wordpress = [
      ['Deployment', 'web'],
      ['Job', 'setup'],
      ['CronJob', 'cron'],
    ] as const;
    const without = await rendered({});
    expect(pick(without, 'StatefulSet', 'redis')).toBeUndefined();
    for (const [kind, name] of wordpress)
      expect(environment(containerOf(without, kind, name))['REDIS_HOST']).toBeUndefined();

    const having = await rendered({ options: { object_cache: true } });
    expect(pick(having, 'StatefulSet', 'redis')?.spec?.volumeClaimTemplates).toBeUndefined();
    expect(containerOf(having, 'StatefulSet', 'redis').args).toEqual([
      '--maxmemory',
      '48mb',
      '--maxmemory-policy',
      'allkeys-lru',
      '--appendonly',
      'no',
      '--save',
      '',
    ]);
    for (const [kind, name] of wordpress)
      expect(environment(containerOf(having, kind, name))['REDIS_HOST']).toBe('redis');
    expect(environment(containerOf(having, 'CronJob', 'restore'))['REDIS_HOST']).toBe('redis');
  });

  test('several web pods keep to the node of their uploads, and a node can be drained of them', async () => {
    const alone = await rendered({});
    expect(pick(alone, 'Deployment', 'web')?.spec).toMatchObject({ replicas: 1 });
    expect(pick(alone, 'PodDisruptionBudget', 'web')).toBeUndefined();

    const scaled = await rendered({ options: { autoscale: true } });
    // The autoscaler alone sets the number: Argo CD would set it back.
    expect(pick(scaled, 'Deployment', 'web')?.spec).not.toHaveProperty('replicas');
    expect(pick(scaled, 'HorizontalPodAutoscaler', 'web')?.spec).toMatchObject({
      minReplicas: 1,
      maxReplicas: 2,
      scaleTargetRef: { kind: 'Deployment', name: 'web' },
    });
    for (const manifests of [scaled, await rendered({ plan: 'large' })]) {
      const web = pick(manifests, 'Deployment', 'web');
      expect(web?.spec?.strategy?.type).toBe('Recreate');
      expect(podTemplateOf(web as Manifest)?.spec.affinity).toMatchObject({
        podAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            {
              topologyKey: 'kubernetes.io/hostname',
              labelSelector: { matchLabels: { 'app.kubernetes.io/component': 'web' } },
            },
          ],
        },
      });
      expect(pick(manifests, 'PodDisruptionBudget', 'web')?.spec).toMatchObject({
        maxUnavailable: 1,
      });
      expect(pick(manifests, 'PersistentVolumeClaim', 'uploads')?.spec).toMatchObject({
        accessModes: ['ReadWriteOnce'],
      });
    }
  });
});
