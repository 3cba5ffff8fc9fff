import { expect, test } from 'vitest';
import { ALL_PARTS, readParts } from './list.ts';

test.each([
  [[], [...ALL_PARTS]],
  [['--role', 'all'], [...ALL_PARTS]],
  [['--role', 'api,all'], [...ALL_PARTS]],
  [['--role', 'writer'], ['writer']],
  [['--role=writer'], ['writer']],
  [
    ['--role', 'api', '--role', 'portal'],
    ['api', 'portal'],
  ],
  [
    ['--role', 'observer, writer,writer'],
    ['observer', 'writer'],
  ],
])('%j', (args, parts) => {
  expect(readParts(args)).toEqual({ ok: true, parts: new Set(parts) });
});

test.each([
  [['--role', 'king'], 'There is no role “king”'],
  [['--role', ''], 'There is no role “”'],
  [['--roles', 'api'], '--roles'],
  [['api'], 'api'],
])('%j is refused, with what there is', (args, says) => {
  const result = readParts(args);
  expect(result).toMatchObject({ ok: false, message: expect.stringContaining(says) as string });
  for (const part of [...ALL_PARTS, 'all'])
    expect(result).toMatchObject({ message: expect.stringMatching(`\n  ${part} `) as string });
});
