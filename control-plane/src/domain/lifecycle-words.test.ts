import { expect, test } from 'vitest';
import { explainUnseenTenant } from './lifecycle-words.ts';

test('a cluster that does not follow the repository: names the file to apply', () => {
  expect(explainUnseenTenant('paris', null)).toMatchObject({
    code: 'root_missing',
    hint: expect.stringContaining('clusters/paris/root.yaml') as string,
  });
});
