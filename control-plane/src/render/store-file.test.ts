import { expect, test } from 'vitest';
import { exampleCluster } from '../../../test/support/example-cluster.ts';
import { exampleStore } from '../../../test/support/example-store.ts';
import { loadTemplates } from '../templates.ts';
import { createStoreRenderer } from './store.ts';
import { readStoreFile } from './store-file.ts';

const { sources } = await loadTemplates();
const render = createStoreRenderer(
  sources,
  { repositoryUrl: 'http://git.example/shopyard.git', branch: 'main' },
  exampleCluster,
);

function write(store: ReturnType<typeof exampleStore>): string {
  const action = { action: 'update', store, operationId: 'op_1', at: new Date(0) } as const;
  const file = render(action, null).find(({ path }) => path.endsWith('/store.yaml'));
  return String(file?.content);
}

test.each([
  exampleStore(),
  exampleStore({ suspended: true, purgeAt: '2026-12-01T00:00:00.000Z', protected: true }),
  exampleStore({ host: 'tea.example.com', url: 'https://tea.example.com', attempt: 7 }),
  exampleStore({ options: { country: 'no', title: '1e3 — “tea”', object_cache: true } }),
])('a spec is read back whole from the file that it was written to: %#', (store) => {
  expect(readStoreFile(write(store))).toEqual({ ok: true, spec: store });
});

test('a file from before stores could be suspended is one that is not', () => {
  const text = write(exampleStore()).replace(/^ {2}(suspended|protected): .*\n/gm, '');
  expect(readStoreFile(text)).toEqual({ ok: true, spec: exampleStore() });
});

test.each([
  ['', 'no document'],
  ['kind: [', 'is not YAML'],
  [write(exampleStore()).replace('generation: 1', 'generation: many'), 'metadata.generation'],
  [write(exampleStore()).replace('id: st_', 'id: ../'), 'metadata.id'],
  [`${write(exampleStore())}project: default\n`, 'it'],
])('says what is wrong with a file that is none: %#', (text, where) => {
  const read = readStoreFile(text);
  expect(read.ok ? '' : read.why).toContain(where);
});
