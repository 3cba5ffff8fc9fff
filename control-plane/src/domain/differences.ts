/** What a change makes of a store's settings, in words: for who reviews it, and for its history. Pure. */
import type { EngineCard } from './engine.ts';
import { writeMoment } from './moments.ts';
import type { OptionValue } from './options.ts';
import type { Action, StoreSpec } from './store.ts';

/** '' where there is none. */
export type Difference = { readonly what: string; readonly from: string; readonly to: string };

/** What a new store has none of: not worth a line. */
const OF_LATER: ReadonlySet<string> = new Set(['suspended', 'kept until', 'restarted']);

/**
 * What of a store is its settings, in words; a new store has them all.
 * @param engine the store's, as it is on offer now; undefined: it no longer is
 */
export function listDifferences(
  before: StoreSpec | null,
  after: StoreSpec,
  engine: EngineCard | undefined,
): Difference[] {
  const describe = (store: StoreSpec): ReadonlyMap<string, string> =>
    new Map([
      ['plan', store.plan],
      ['address', store.url],
      ['chart', `${store.chart} ${store.chartVersion}`],
      ...Object.entries(store.options).map(([name, value]) => describeOption(engine, name, value)),
      ['suspended', store.suspended ? 'yes' : 'no'],
      ['kept until', store.purgeAt === null ? '' : writeMoment(new Date(store.purgeAt))],
      ['restarted', store.attempt > 1 ? `${store.attempt - 1} ×` : ''],
    ]);
  const to = describe(after);
  if (before === null) {
    return [...to]
      .filter(([what, to]) => !(OF_LATER.has(what) && (to === '' || to === 'no')))
      .map(([what, to]) => ({ what, from: '', to }));
  }
  const from = describe(before);
  return [...new Set([...from.keys(), ...to.keys()])]
    .map((what) => ({ what, from: from.get(what) ?? '', to: to.get(what) ?? '' }))
    .filter((one) => one.from !== one.to);
}

/** As its form calls it and its choices. */
function describeOption(
  engine: EngineCard | undefined,
  name: string,
  value: OptionValue,
): [what: string, value: string] {
  const option = engine?.options.find((one) => one.name === name);
  const choice =
    option?.kind === 'choice' ? option.choices.find((one) => one.value === value) : undefined;
  const words = value === true ? 'yes' : value === false ? 'no' : (choice?.label ?? value);
  return [option?.label ?? name, words];
}

/**
 * What a commit changed, a sentence each: “Plan from small to medium”. Nothing of what its subject says:
 * that the store was made, restarted, suspended or resumed.
 * @param before the store as its commit before left it; null: it was not there, or nobody knows
 */
export function describeChanged(
  action: Action,
  before: StoreSpec | null,
  after: StoreSpec,
  engine: EngineCard | undefined,
): string[] {
  if (before === null) return [];
  return listDifferences(before, after, engine).flatMap(({ what, from, to }) => {
    if (what === 'restarted') return [];
    // A rollback does it besides.
    if (what === 'suspended')
      return action === 'rollback' ? [to === 'yes' ? 'Suspended' : 'Resumed'] : [];
    if (what === 'kept until') return [to === '' ? 'No longer to be deleted' : `Kept until ${to}`];
    const name = `${what.charAt(0).toUpperCase()}${what.slice(1)}`;
    if (from === 'no' && to === 'yes') return [`${name} turned on`];
    if (from === 'yes' && to === 'no') return [`${name} turned off`];
    if (from === '') return [`${name}: ${to}`];
    if (to === '') return [`${name}: nothing, before it ${from}`];
    return [`${name} from ${from} to ${to}`];
  });
}
