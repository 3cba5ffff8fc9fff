import { describe, expect, test } from 'vitest';
import { DEFAULT_RULES } from './cluster.ts';
import { decideChange, findUpgrade, type Change } from './change.ts';
import type { Offer, Standing } from './request.ts';
import type { StoreName, StoreSpec } from './store.ts';
import { isNewer } from './versions.ts';

const offer: Offer = {
  engines: [
    {
      type: 'woocommerce',
      chart: 'woocommerce',
      version: '1.0.0',
      plans: ['small', 'large'],
      options: [
        {
          name: 'cache',
          label: 'Cache',
          help: '',
          kind: 'flag',
          default: false,
          change: 'always',
          reason: null,
        },
        {
          name: 'country',
          label: 'Country',
          help: '',
          kind: 'choice',
          choices: [
            { value: 'DE', label: 'Germany' },
            { value: 'FR', label: 'France' },
          ],
          default: 'DE',
          change: 'never',
          reason: 'It is in the shop.',
        },
      ],
    },
  ],
  clusters: [
    { ...DEFAULT_RULES, name: 'lab', baseDomain: 'localhost', scheme: 'http', port: 8088 },
    { ...DEFAULT_RULES, name: 'live', baseDomain: 'shops.example.com', scheme: 'https', port: 443 },
  ],
};

const standing: Standing = {
  name: 'tea',
  type: 'woocommerce',
  plan: 'small',
  options: { cache: false, country: 'DE' },
  cluster: 'lab',
  host: 'tea.localhost',
  domain: null,
  url: 'http://tea.localhost:8088',
  status: 'ready',
  chartVersion: '1.0.0',
  generation: 4,
  attempt: 2,
  suspended: false,
  purgeAt: null,
  protected: false,
  commitSha: 'c'.repeat(40),
  driftSha: null,
};

const NOW = new Date('2026-11-21T12:00:00Z');
const FACTS = { now: NOW };

/** Clusters that keep what is deleted for a week. */
const keeping: Offer = {
  ...offer,
  clusters: offer.clusters.map((cluster) => ({ ...cluster, retentionDays: 7 })),
};
/** The chart has a newer version, which cannot be gone back across. */
const newer: Offer = {
  ...offer,
  engines: offer.engines.map((engine) => ({
    ...engine,
    version: '1.2.0',
    unsuspendable: ['1.0.0'],
  })),
};
const suspended: Standing = { ...standing, status: 'suspended', suspended: true };
const kept: Standing = { ...suspended, purgeAt: new Date('2026-11-28T12:00:00Z') };

describe('a delete', () => {
  test('of a store whose cluster is not connected is refused: nobody knows what it keeps', () => {
    const elsewhere = { ...standing, cluster: 'gone' };
    expect(decideChange(elsewhere, { kind: 'delete' }, keeping, FACTS)).toMatchObject({
      kind: 'refused',
      code: 'cluster_not_connected',
      message: 'The store’s cluster, “gone”, is not connected.',
    });
  });
  test('so is every other change of it: its files are made with the cluster’s settings', () => {
    const elsewhere = { ...standing, cluster: 'gone' };
    for (const kind of ['retry', 'suspend', 'repair', 'upgrade'] as const)
      expect(decideChange(elsewhere, { kind }, offer, FACTS)).toMatchObject({
        kind: 'refused',
        code: 'cluster_not_connected',
      });
  });
  test('of what is kept is done already, until its time is over', () => {
    expect(decideChange(kept, { kind: 'delete' }, keeping, FACTS)).toEqual({ kind: 'unchanged' });
    const over = { now: new Date('2026-11-28T12:00:01Z') };
    expect(decideChange(kept, { kind: 'delete' }, keeping, over)).toMatchObject({
      kind: 'change',
      action: 'release',
    });
  });
});

describe('decideChange', () => {
  test('an update is a new generation, not a new attempt', () => {
    expect(decideChange(standing, { kind: 'update', plan: 'large' }, offer, FACTS)).toMatchObject({
      kind: 'change',
      plan: 'large',
      generation: 5,
      attempt: 2,
      host: 'tea.localhost',
    });
  });
  test('a retry is both', () => {
    expect(decideChange(standing, { kind: 'retry' }, offer, FACTS)).toMatchObject({
      generation: 5,
      attempt: 3,
    });
  });
  test('an update to what is there is nothing', () => {
    expect(
      decideChange(standing, { kind: 'update', plan: 'small', domain: null }, offer, FACTS),
    ).toEqual({
      kind: 'unchanged',
    });
  });
  test('a domain and back again', () => {
    const there = decideChange(
      standing,
      { kind: 'update', domain: 'tea.example.com' },
      offer,
      FACTS,
    );
    expect(there).toMatchObject({ domain: 'tea.example.com', url: 'http://tea.example.com:8088' });
    const back = decideChange(
      { ...standing, domain: 'tea.example.com', host: 'tea.example.com' },
      { kind: 'update', domain: null },
      offer,
      FACTS,
    );
    expect(back).toMatchObject({ domain: null, host: 'tea.localhost' });
  });
  test('options: one is changed, the others stay', () => {
    expect(
      decideChange(standing, { kind: 'update', options: { cache: true } }, offer, FACTS),
    ).toMatchObject({ kind: 'change', generation: 5, options: { cache: true, country: 'DE' } });
    expect(
      decideChange(standing, { kind: 'update', options: { cache: false } }, offer, FACTS),
    ).toEqual({
      kind: 'unchanged',
    });
  });
  test('an option that never changes is refused with the reason', () => {
    expect(
      decideChange(standing, { kind: 'update', options: { country: 'FR' } }, offer, FACTS),
    ).toEqual({
      kind: 'invalid',
      errors: [
        {
          field: 'options.country',
          message: 'Country is decided when the store is made. It is in the shop.',
        },
      ],
    });
  });
  test('a retry completes what a store from earlier has not', () => {
    expect(
      decideChange({ ...standing, options: {} }, { kind: 'retry' }, offer, FACTS),
    ).toMatchObject({
      options: { cache: false, country: 'DE' },
    });
  });
  test('an unknown plan is named', () => {
    expect(decideChange(standing, { kind: 'update', plan: 'huge' }, offer, FACTS)).toEqual({
      kind: 'invalid',
      errors: [{ field: 'plan', message: 'No such plan for woocommerce; there is small, large.' }],
    });
  });
  test.each(['update', 'retry'] as const)('a store being deleted refuses: %s', (kind) => {
    expect(decideChange({ ...standing, status: 'deleting' }, { kind }, offer, FACTS).kind).toBe(
      'refused',
    );
  });
  test('deleting twice changes nothing; deleted is gone', () => {
    expect(
      decideChange({ ...standing, status: 'deleting' }, { kind: 'delete' }, offer, FACTS).kind,
    ).toBe('unchanged');
    expect(
      decideChange({ ...standing, status: 'deleted' }, { kind: 'delete' }, offer, FACTS).kind,
    ).toBe('gone');
  });
});

describe('suspending and resuming', () => {
  test('each is a new generation of the same settings', () => {
    expect(decideChange(standing, { kind: 'suspend' }, offer, FACTS)).toMatchObject({
      operation: 'suspend',
      action: 'suspend',
      suspended: true,
      purgeAt: null,
      generation: 5,
      attempt: 2,
    });
    expect(decideChange(suspended, { kind: 'resume' }, offer, FACTS)).toMatchObject({
      operation: 'resume',
      suspended: false,
      generation: 5,
    });
  });
  test('twice is once', () => {
    expect(decideChange(suspended, { kind: 'suspend' }, offer, FACTS).kind).toBe('unchanged');
    expect(decideChange(standing, { kind: 'resume' }, offer, FACTS).kind).toBe('unchanged');
  });
  test('a suspended store is changed without being started', () => {
    expect(decideChange(suspended, { kind: 'update', plan: 'large' }, offer, FACTS)).toMatchObject({
      operation: 'update',
      suspended: true,
      plan: 'large',
    });
  });
  test('a chart that would run on is refused', () => {
    expect(decideChange(standing, { kind: 'suspend' }, newer, FACTS)).toMatchObject({
      kind: 'refused',
      code: 'upgrade_needed',
    });
  });
});

describe('deleting', () => {
  test('where nothing is kept it is released at once', () => {
    expect(decideChange(standing, { kind: 'delete' }, offer, FACTS)).toMatchObject({
      operation: 'delete',
      action: 'release',
      generation: 4,
      purgeAt: null,
    });
  });
  test('where data is kept the store is retired first, for that many days', () => {
    expect(decideChange(standing, { kind: 'delete' }, keeping, FACTS)).toMatchObject({
      operation: 'delete',
      action: 'retire',
      suspended: true,
      generation: 5,
      purgeAt: new Date('2026-11-28T12:00:00Z'),
    });
    expect(decideChange(suspended, { kind: 'delete' }, keeping, FACTS)).toMatchObject({
      action: 'retire',
    });
  });
  test('what was never committed has nothing to keep', () => {
    expect(
      decideChange({ ...standing, commitSha: null }, { kind: 'delete' }, keeping, FACTS),
    ).toMatchObject({ action: 'release' });
  });
  test('now: nothing is kept, nor any longer', () => {
    const now: Change = { kind: 'delete', now: true };
    expect(decideChange(standing, now, keeping, FACTS)).toMatchObject({ action: 'release' });
    expect(decideChange(kept, now, keeping, FACTS)).toMatchObject({ action: 'release' });
  });
  test('a kept store is deleted already; it is resumed, and nothing else is done to it', () => {
    expect(decideChange(kept, { kind: 'delete' }, keeping, FACTS).kind).toBe('unchanged');
    expect(decideChange(kept, { kind: 'resume' }, keeping, FACTS)).toMatchObject({
      operation: 'resume',
      suspended: false,
      purgeAt: null,
    });
    for (const kind of ['update', 'retry', 'suspend', 'repair', 'upgrade'] as const)
      expect(decideChange(kept, { kind }, keeping, FACTS)).toMatchObject({
        kind: 'refused',
        code: 'store_kept',
      });
  });
  test('a store whose purge has begun is not resumed', () => {
    expect(
      decideChange({ ...kept, status: 'deleting' }, { kind: 'resume' }, keeping, FACTS),
    ).toMatchObject({ kind: 'refused', code: 'store_deleting' });
  });
  test('a protected store is not, whatever is kept', () => {
    const fenced = { ...standing, protected: true };
    for (const now of [true, false])
      expect(decideChange(fenced, { kind: 'delete', now }, keeping, FACTS)).toMatchObject({
        kind: 'refused',
        code: 'protected',
      });
  });
  test('a chart that would run on is not kept', () => {
    const both = { ...newer, clusters: keeping.clusters };
    expect(decideChange(standing, { kind: 'delete' }, both, FACTS)).toMatchObject({
      kind: 'refused',
      code: 'upgrade_needed',
    });
    expect(decideChange(standing, { kind: 'delete', now: true }, both, FACTS)).toMatchObject({
      action: 'release',
    });
  });
});

test('protection is no new generation', () => {
  const protect: Change = { kind: 'protect', protected: true };
  expect(decideChange(standing, protect, offer, FACTS)).toMatchObject({
    operation: 'protect',
    protected: true,
    generation: 4,
  });
  expect(decideChange({ ...standing, protected: true }, protect, offer, FACTS).kind).toBe(
    'unchanged',
  );
});

test('repair writes the same again', () => {
  expect(decideChange(standing, { kind: 'repair' }, offer, FACTS)).toMatchObject({
    operation: 'repair',
    plan: 'small',
    generation: 5,
    attempt: 2,
  });
});

describe('upgrading', () => {
  test('to the version of the engine, with the options it has now', () => {
    expect(
      decideChange({ ...standing, options: {} }, { kind: 'upgrade' }, newer, FACTS),
    ).toMatchObject({
      operation: 'upgrade',
      chartVersion: '1.2.0',
      options: { cache: false, country: 'DE' },
      generation: 5,
    });
  });
  test('what has it already is left alone; so is what is newer', () => {
    for (const chartVersion of ['1.2.0', '1.10.0'])
      expect(
        decideChange({ ...standing, chartVersion }, { kind: 'upgrade' }, newer, FACTS).kind,
      ).toBe('unchanged');
  });
  test('an earlier version keeps its own options when something else changes', () => {
    for (const change of [{ kind: 'retry' }, { kind: 'update', plan: 'large' }] as const)
      expect(decideChange({ ...standing, options: {} }, change, newer, FACTS)).toMatchObject({
        chartVersion: '1.0.0',
        options: {},
      });
  });
  test('there is one to offer, or none', () => {
    expect(findUpgrade(newer, standing)).toBe('1.2.0');
    expect(findUpgrade(offer, standing)).toBeNull();
    expect(findUpgrade({ engines: [] }, standing)).toBeNull();
  });
});

describe('rolling back', () => {
  const sha = 'a'.repeat(40);
  const spec: StoreSpec = {
    id: 'st_a',
    tenantId: 'abc123',
    tenant: 'acme',
    chart: 'woocommerce',
    storagePlan: 'small',
    ...standing,
    name: 'tea' as StoreName,
    type: 'woocommerce',
    plan: 'large',
    options: { cache: true, country: 'DE' },
    generation: 2,
    attempt: 1,
    purgeAt: null,
    protected: true,
  };
  const rollback = (past: Parameters<typeof decideChange>[3]['past'], at = standing, to = offer) =>
    decideChange(at, { kind: 'rollback', commit: sha }, to, { now: NOW, past: past ?? null });

  test('gives the settings of then, in a new generation; protection stays', () => {
    expect(rollback({ action: 'update', spec })).toMatchObject({
      operation: 'rollback',
      plan: 'large',
      options: { cache: true, country: 'DE' },
      generation: 5,
      attempt: 2,
      protected: false,
      reverts: standing.commitSha,
      restores: sha,
    });
  });
  test('the domain of then is the domain again', () => {
    expect(
      rollback({ action: 'update', spec: { ...spec, host: 'tea.example.com' } }),
    ).toMatchObject({ domain: 'tea.example.com', url: 'http://tea.example.com:8088' });
  });
  test.each([
    ['no commit of this store', null],
    ['a person’s', { action: null, spec: null }],
    ['says nothing of', { action: 'release', spec }],
    ['says nothing of', { action: 'protect', spec }],
    ['says nothing of', { action: 'retire', spec }],
    ['not in the database', { action: 'update', spec: null }],
    [
      'what the store is now',
      { action: 'update', spec: { ...spec, plan: 'small', options: standing.options } },
    ],
    ['no longer offered', { action: 'update', spec: { ...spec, plan: 'huge' } }],
  ] as const)('is refused: %s', (words, past) => {
    expect(rollback(past)).toMatchObject({
      kind: 'refused',
      code: 'rollback_refused',
      message: expect.stringContaining(words) as string,
    });
  });
  test('is refused across a version that changes the data for good, with the reason', () => {
    const at = { ...standing, chartVersion: '1.2.0' };
    const one = { action: 'update', spec } as const;
    const across = (irreversible: Readonly<Record<string, string>>) =>
      rollback(one, at, {
        ...newer,
        engines: newer.engines.map((engine) => ({ ...engine, irreversible })),
      });
    for (const version of ['1.1.0', '1.2.0'])
      expect(across({ [version]: 'The orders moved.' })).toMatchObject({
        kind: 'refused',
        message: `There is no way back from version ${version} of its chart: The orders moved.`,
      });
    for (const version of ['1.0.0', '1.3.0'])
      expect(across({ [version]: 'x' })).toMatchObject({ chartVersion: '1.0.0' });
  });
  test('of a rollback goes forward again', () => {
    const at = { ...standing, chartVersion: '1.0.0' };
    const forward = { action: 'upgrade', spec: { ...spec, chartVersion: '1.2.0' } } as const;
    expect(rollback(forward, at, newer)).toMatchObject({ chartVersion: '1.2.0' });
  });
});

test('versions are compared by their numbers', () => {
  expect(isNewer('1.10.0', '1.9.9')).toBe(true);
  expect(isNewer('1.2.0', '1.2.0')).toBe(false);
  expect(isNewer('0.9.0', '1.0.0')).toBe(false);
});

describe('a store whose files a person changed', () => {
  const sha = 'd'.repeat(40);
  const drifted: Standing = { ...standing, driftSha: sha };
  const changes = [
    { kind: 'update', plan: 'large' },
    { kind: 'retry' },
    { kind: 'suspend' },
    { kind: 'protect', protected: true },
    { kind: 'delete' },
  ] as const satisfies readonly Change[];

  test.each(changes)('is not changed: $kind', (change) => {
    expect(decideChange(drifted, change, offer, FACTS)).toMatchObject({
      kind: 'refused',
      code: 'drifted',
    });
  });

  test('is repaired: the same settings once more', () => {
    expect(decideChange(drifted, { kind: 'repair' }, offer, FACTS)).toMatchObject({
      kind: 'change',
      operation: 'repair',
      plan: 'small',
      generation: 5,
      adopts: null,
    });
  });

  test('takes over what the person wrote, if it is that person’s last word', () => {
    const adopt = { kind: 'adopt', plan: 'large', domain: null, options: {} } as const;
    expect(decideChange(drifted, { ...adopt, commit: sha }, offer, FACTS)).toMatchObject({
      kind: 'change',
      operation: 'update',
      plan: 'large',
      generation: 5,
      adopts: sha,
    });
    const same = { ...adopt, plan: 'small', commit: sha };
    expect(decideChange(drifted, same, offer, FACTS)).toMatchObject({
      kind: 'change',
      adopts: sha,
    });
    const older = { ...adopt, commit: 'e'.repeat(40) };
    expect(decideChange(drifted, older, offer, FACTS)).toMatchObject({ code: 'drifted' });
    const unknown = { ...adopt, plan: 'enormous', commit: sha };
    expect(decideChange(drifted, unknown, offer, FACTS)).toMatchObject({ kind: 'invalid' });
  });

  test('is resumed or purged all the same once it was deleted', () => {
    const kept = { ...drifted, suspended: true, status: 'suspended', purgeAt: NOW } as const;
    for (const change of [{ kind: 'resume' }, { kind: 'delete', now: true }] as const)
      expect(decideChange(kept, change, offer, FACTS)).toMatchObject({ kind: 'change' });
  });
});
