import { defineConfig } from 'vitest/config';

/** Minutes of waiting for merges and pods: run by `npm run test:story`, and not with the others. */
const STORY = 'test/lab/gitea-stores.test.ts';
const isStory = process.env.LAB_STORY !== undefined;

export default defineConfig({
  test: {
    include: isStory ? [STORY] : ['test/lab/**/*.test.ts'],
    exclude: isStory ? [] : [STORY],
    globalSetup: ['test/browser/setup.ts'],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    fileParallelism: false,
    bail: 1,
  },
});
