/**
 * One create at a time, from HTTP POST to the commit on the remote, with 10,000 stores against with
 * 100: both products run side by side and take turns.
 */
import { median, percentile, type Measurement } from './report.ts';
import type { Product, Workshop } from './workshop.ts';

const FEW = 100;
const MANY = 10_000;
const ROUNDS = 8;
const CREATES = 25;

/** Milliseconds of each create until its 202, and until its commit is on the remote. */
type Side = {
  readonly name: string;
  readonly product: Product;
  readonly committed: number[];
  readonly accepted: number[];
};

export async function measureGrowth(workshop: Workshop): Promise<Measurement> {
  console.error(`growth: making fleets of ${String(FEW)} and ${String(MANY)} stores`);
  const startSide = async (name: string, stores: number): Promise<Side> => ({
    name,
    product: await workshop.startProduct(name, stores),
    committed: [],
    accepted: [],
  });
  const sides = [await startSide('few', FEW), await startSide('many', MANY)];
  for (const { product } of sides) {
    for (let index = 0; index < 5; index += 1)
      await product.create([`warm-up-${String(index)}`], 1);
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let index = 0; index < CREATES; index += 1) {
      for (const { product, committed, accepted } of round % 2 === 0 ? sides : sides.toReversed()) {
        const name = `new-${String(round)}-${String(index)}`;
        const times = await product.create([name], 1);
        committed.push(times.committedMs);
        accepted.push(times.acceptedMs);
      }
    }
    console.error(
      `growth: round ${String(round + 1)} of ${String(ROUNDS)}, median ms of a create: ` +
        sides
          .map(({ name, committed }) => `${name} ${median(committed.slice(-CREATES)).toFixed(1)}`)
          .join(', '),
    );
  }
  const [few, many] = sides.map(({ committed, accepted }) => ({
    p50: percentile(committed, 0.5),
    p99: percentile(committed, 0.99),
    acceptedP50: percentile(accepted, 0.5),
    acceptedP99: percentile(accepted, 0.99),
  }));
  if (few === undefined || many === undefined) throw new Error('nothing was measured');
  return {
    goals: [
      { id: 'growth/p50', ratio: many.p50 / few.p50, bound: 1.5, wanted: 'at-most' },
      { id: 'growth/p99', ratio: many.p99 / few.p99, bound: 1.5, wanted: 'at-most' },
    ],
    details: {
      stores: { few: FEW, many: MANY },
      creates: ROUNDS * CREATES,
      milliseconds: { few, many },
    },
  };
}
