/**
 * One create at a time, from HTTP POST to the commit on the remote, with 10,000 stores against with
 * 100: both products run side by side and take turns.
 */
import { median, percentile, time, type Measurement } from './report.ts';
import type { Workshop } from './workshop.ts';

const FEW = 100;
const MANY = 10_000;
const ROUNDS = 8;
const CREATES = 25;

export async function measureGrowth(workshop: Workshop): Promise<Measurement> {
  console.error(`growth: making fleets of ${String(FEW)} and ${String(MANY)} stores`);
  const sides = [
    { name: 'few', product: await workshop.startProduct('few', FEW), milliseconds: [] as number[] },
    {
      name: 'many',
      product: await workshop.startProduct('many', MANY),
      milliseconds: [] as number[],
    },
  ];
  for (const { product } of sides) {
    for (let index = 0; index < 5; index += 1)
      await product.create([`warm-up-${String(index)}`], 1);
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let index = 0; index < CREATES; index += 1) {
      for (const { product, milliseconds } of round % 2 === 0 ? sides : sides.toReversed()) {
        const name = `new-${String(round)}-${String(index)}`;
        milliseconds.push(await time(() => product.create([name], 1)));
      }
    }
    console.error(
      `growth: round ${String(round + 1)} of ${String(ROUNDS)}, median ms of a create: ` +
        sides
          .map(
            ({ name, milliseconds }) =>
              `${name} ${median(milliseconds.slice(-CREATES)).toFixed(1)}`,
          )
          .join(', '),
    );
  }
  const [few, many] = sides.map(({ milliseconds }) => ({
    p50: percentile(milliseconds, 0.5),
    p99: percentile(milliseconds, 0.99),
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
