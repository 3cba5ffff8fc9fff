import { defineConfig } from 'vitest/config';

const exclude = ['**/node_modules/**', 'test/lab/**'];

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'parts',
          include: [
            'control-plane/src/**/*.test.ts',
            'portal/src/**/*.test.ts',
            'bootstrap/**/*.test.ts',
            'templates/**/*.test.ts',
            'test/**/*.test.ts',
          ],
          exclude: [...exclude, 'test/browser/**'],
          globalSetup: ['test/support/postgres-setup.ts'],
          testTimeout: 120_000,
          expect: { poll: { timeout: 10_000 } },
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          exclude,
          globalSetup: ['test/support/postgres-setup.ts', 'test/browser/setup.ts'],
          testTimeout: 120_000,
          expect: { poll: { timeout: 10_000 } },
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
