/**
 * `npm run bench -- <id>…`: measures the goals of speed and scale as ratios, each against a baseline
 * of the same run, in alternating rounds. Prints one line a goal and writes everything measured to
 * `.bench/<id>.json`. Never a test that can fail by time: a goal that is not met says `short`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { measureCreateRate } from './create-rate.ts';
import { measureGrowth } from './growth.ts';
import { measurePortal } from './portal.ts';
import { formatGoal, type Measurement } from './report.ts';
import { openWorkshop, type Workshop } from './workshop.ts';

const BENCHES: Readonly<Record<string, (workshop: Workshop) => Promise<Measurement>>> = {
  'create-rate': measureCreateRate,
  growth: measureGrowth,
  portal: measurePortal,
};

const RESULTS = join(import.meta.dirname, '../../.bench');

const ids = process.argv.slice(2);
const unknown = ids.filter((id) => !(id in BENCHES));
if (ids.length === 0 || unknown.length > 0) {
  console.error(`Usage: npm run bench -- ${Object.keys(BENCHES).join(' ')}`);
  process.exit(2);
}
mkdirSync(RESULTS, { recursive: true });
for (const id of ids) {
  const bench = BENCHES[id];
  if (bench === undefined) continue;
  await using workshop = await openWorkshop(join(RESULTS, `run-${String(process.pid)}`));
  const measurement = await bench(workshop);
  for (const goal of measurement.goals) console.log(formatGoal(goal));
  writeFileSync(join(RESULTS, `${id}.json`), `${JSON.stringify(measurement, null, 2)}\n`);
}
