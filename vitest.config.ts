import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: [
      'control-plane/src/**/*.test.ts',
      'bootstrap/**/*.test.ts',
      'templates/**/*.test.ts',
      'test/**/*.test.ts',
    ],
    exclude: ['**/node_modules/**', 'test/lab/**'],
    globalSetup: ['test/support/postgres-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
