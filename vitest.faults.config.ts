import { globSync, readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { ROW_OF_TEST } from './test/faults/rows.ts';
import { FaultSummary } from './test/faults/summary.ts';

/** Every test of a row of the table of faults, wherever it is. */
const include = globSync(['control-plane/src/**/*.test.ts', 'test/**/*.test.ts'], {
  exclude: ['**/node_modules/**', 'test/lab/**', 'test/browser/**'],
}).filter((file) => readFileSync(file, 'utf8').search(ROW_OF_TEST) !== -1);

export default defineConfig({
  test: {
    maxWorkers: 2,
    include,
    testNamePattern: ROW_OF_TEST,
    env: {
      SHOPYARD_FAULT_ROUNDS: process.env.SHOPYARD_FAULT_ROUNDS ?? 'full',
      SHOPYARD_FAULT_SEED:
        process.env.SHOPYARD_FAULT_SEED ?? String(Math.floor(Math.random() * 2 ** 32)),
    },
    reporters: ['default', new FaultSummary(include.length)],
    globalSetup: ['test/support/postgres-setup.ts'],
    testTimeout: 120_000,
    expect: { poll: { timeout: 10_000 } },
    hookTimeout: 60_000,
  },
});
