/**
 * A line for each row of the table of faults: what was done how often, how long it took, and that
 * nothing was lost, which is what its tests hold. A row without a test fails the run.
 */
import type { Reporter, TestCase, TestModule } from 'vitest/node';
import { FAULTS, ROW_OF_TEST } from './rows.ts';
import './tally.ts';

type Row = { passed: TestCase[]; failed: TestCase[]; skipped: TestCase[] };

export class FaultSummary implements Reporter {
  readonly #files: number;

  /** @param files how many files there are to run; a choice of them need not try every row */
  constructor(files: number) {
    this.#files = files;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const rows = new Map<number, Row>();
    for (const module of modules)
      for (const test of module.children.allTests())
        for (const number of readRows(test.fullName)) sortIn(rows, number, test);
    console.log('\nFaults and bad input, by row:\n');
    const isWhole = modules.length >= this.#files;
    for (const [number, words] of Object.entries(FAULTS))
      if (isWhole || rows.has(Number(number)))
        console.log(describe(Number(number), words, rows.get(Number(number))));
    console.log();
    if (isWhole && Object.keys(FAULTS).some((number) => !isHeld(rows.get(Number(number)))))
      process.exitCode = 1;
  }
}

function readRows(name: string): number[] {
  const found = [...name.matchAll(ROW_OF_TEST)].map(([, row, tag]) => Number(row ?? tag));
  return [...new Set(found)];
}

function sortIn(rows: Map<number, Row>, number: number, test: TestCase): void {
  const row = rows.get(number) ?? { passed: [], failed: [], skipped: [] };
  rows.set(number, row);
  const { state } = test.result();
  if (state === 'passed') row.passed.push(test);
  else if (state === 'failed') row.failed.push(test);
  else row.skipped.push(test);
}

function isHeld(row: Row | undefined): boolean {
  return row !== undefined && row.passed.length > 0 && row.failed.length === 0;
}

function describe(number: number, words: string, row: Row | undefined): string {
  const start = `${String(number).padStart(3)}  ${words.padEnd(38)}`;
  if (row === undefined) return `${start}NOT TRIED`;
  const tests = [...row.passed, ...row.failed];
  const seconds = tests.reduce((sum, test) => sum + (test.diagnostic()?.duration ?? 0), 0) / 1_000;
  const told = row.passed.flatMap((test) => test.meta().fault ?? []);
  const others = row.passed.length - told.length;
  const done = [
    ...told.map(({ done, seed }) => (seed === undefined ? done : `${done} (seed ${seed})`)),
    ...(others > 0 ? [`${others} ${others === 1 ? 'case' : 'cases'}`] : []),
    ...row.skipped.map((test) => `not here: ${test.name}`),
  ];
  const outcome = isHeld(row) ? 'lost: nothing' : `FAILED: ${row.failed.length}`;
  return `${start}${outcome}, ${seconds.toFixed(1)} s; ${done.join('; ')}`;
}
