import { describe, expect, test } from 'vitest';
import { DEFAULT_RULES, type Cluster } from './cluster.ts';
import {
  isHeard,
  listOpen,
  placeStore,
  UNKNOWN_STATE,
  type ClusterState,
  type Wanted,
} from './placement.ts';

const now = new Date('2026-01-02T12:00:00Z');
const ago = (seconds: number): Date => new Date(now.getTime() - seconds * 1_000);

const cluster = (name: string, rules: Partial<Cluster> = {}): Cluster => ({
  ...DEFAULT_RULES,
  name,
  baseDomain: `${name}.example.com`,
  scheme: 'https',
  ...rules,
});
const heard = (stores: number, changes: Partial<ClusterState> = {}): ClusterState => ({
  heardAt: ago(30),
  trouble: null,
  stores,
  ...changes,
});

const north = cluster('north', { capacity: 100, labels: { region: 'eu', disk: 'ssd' } });
const south = cluster('south', { capacity: 10, labels: { region: 'eu' } });
const west = cluster('west', { capacity: 10, labels: { region: 'us' } });
const ALL = [north, south, west];

function place(
  wanted: Wanted,
  states: Readonly<Record<string, ClusterState>>,
  clusters: readonly Cluster[] = ALL,
) {
  const placement = placeStore(wanted, clusters, (name) => states[name] ?? UNKNOWN_STATE, now);
  return placement.kind === 'placed' ? placement.cluster.name : placement;
}

describe('a store that names no cluster', () => {
  test('goes where the larger share of the capacity is free', () => {
    expect(place({}, { north: heard(40), south: heard(3), west: heard(5) })).toBe('south');
    expect(place({}, { north: heard(29), south: heard(3), west: heard(5) })).toBe('north');
  });

  test('goes where the fewer stores are when the shares are the same, else to the first', () => {
    expect(place({}, { north: heard(30), south: heard(3), west: heard(5) })).toBe('south');
    expect(place({}, { north: heard(0), south: heard(0), west: heard(0) })).toBe('north');
  });

  test('goes to a cluster without a capacity before any that fills up', () => {
    const boundless = cluster('boundless');
    const states = { north: heard(1), boundless: heard(5_000) };
    expect(place({}, states, [north, boundless])).toBe('boundless');
  });

  test('goes to one that has all the labels asked for', () => {
    const states = { north: heard(99), south: heard(0), west: heard(0) };
    expect(place({ labels: { region: 'us' } }, states)).toBe('west');
    expect(place({ labels: { region: 'eu', disk: 'ssd' } }, states)).toBe('north');
    expect(place({ labels: {} }, states)).toBe('south');
  });

  test('is refused, by the field, when no cluster has the labels', () => {
    for (const labels of [{ region: 'asia' }, { toString: 'x' }, { region: 'us', disk: 'ssd' }])
      expect(place({ labels }, { north: heard(0) })).toMatchObject({
        kind: 'invalid',
        errors: [{ field: 'labels', message: expect.stringMatching(/^No cluster has /) as string }],
      });
  });

  test.each([
    ['silent', heard(0, { heardAt: ago(181) })],
    ['in trouble', heard(0, { heardAt: ago(1), trouble: 'connect ECONNREFUSED' })],
    ['unheard of', UNKNOWN_STATE],
    ['full', heard(100)],
  ])('passes by a cluster that is %s', (_what, state) => {
    expect(place({}, { north: state, south: heard(9), west: heard(9) })).toBe('south');
  });

  test('is refused with why of each when none takes it', () => {
    const states = {
      north: heard(100),
      south: heard(0, { heardAt: ago(240), trouble: 'connect ECONNREFUSED 10.1.2.3:6443' }),
    };
    expect(place({}, states)).toEqual({
      kind: 'refused',
      field: 'cluster',
      message:
        'No cluster takes a store now: “north” is full, “south” has not been heard from since ' +
        '2026-01-02T11:56:00.000Z, “west” has not been heard from yet.',
    });
    expect(place({ labels: { disk: 'ssd' } }, states)).toEqual({
      kind: 'refused',
      field: 'labels',
      message: 'No cluster takes a store now: “north” is full.',
    });
  });

  test('goes to the only one there is, heard or not, unless that is full', () => {
    expect(place({}, {}, [north])).toBe('north');
    expect(place({}, { north: heard(100) }, [north])).toMatchObject({ kind: 'refused' });
  });
});

describe('a store that names its cluster', () => {
  test('waits for one that is silent, and is refused by one that is full', () => {
    expect(place({ cluster: 'west' }, {})).toBe('west');
    expect(place({ cluster: 'south' }, { south: heard(10) })).toEqual({
      kind: 'refused',
      field: 'cluster',
      message: 'The cluster “south” is full.',
    });
  });

  test('is told of one that is not there, or has other labels', () => {
    expect(place({ cluster: 'east' }, {})).toMatchObject({
      errors: [{ field: 'cluster', message: 'No such cluster; there is north, south, west.' }],
    });
    expect(place({ cluster: 'west', labels: { region: 'eu' } }, {})).toMatchObject({
      errors: [{ field: 'labels', message: 'The cluster “west” has others.' }],
    });
  });
});

test('the clusters that are open come in the order in which they are taken', () => {
  const states: Readonly<Record<string, ClusterState>> = {
    north: heard(50),
    south: heard(0),
    west: heard(10),
  };
  const open = listOpen(ALL, (name) => states[name] ?? UNKNOWN_STATE, now);
  expect(open.map((one) => one.name)).toEqual(['south', 'north']);
});

test('a cluster is heard while it says something every few minutes', () => {
  expect(isHeard(heard(0, { heardAt: ago(179) }), now)).toBe(true);
  expect(isHeard(heard(0, { heardAt: ago(180) }), now)).toBe(false);
});
