import { expect, test } from 'vitest';
import { z } from 'zod';
import { describeIssue } from './describe-issue.ts';

test.each([
  ['nothing', z.string(), undefined, 'This is needed.'],
  ['no choice', z.enum(['small', 'large']), undefined, 'This is needed.'],
  ['a number for text', z.string(), 5, 'This must be text.'],
  ['text for a number', z.coerce.number(), 'ten', 'This must be a number.'],
  ['a fraction', z.coerce.number().int(), '1.5', 'This must be a whole number.'],
  ['too little', z.number().min(1), 0, 'This must be at least 1.'],
  ['too much', z.coerce.number().max(200), '201', 'This must be at most 200.'],
  ['empty', z.string().min(1), '', 'This must not be empty.'],
  ['short', z.string().min(16), 'x', 'This must have at least 16 characters.'],
  ['an empty list', z.array(z.string()).min(1), [], 'This must have at least 1 entry.'],
  ['no choice of ours', z.enum(['a', 'b']), 'c', 'This must be one of: a, b.'],
  ['neither yes nor no', z.stringbool(), 'maybe', 'This must be true or false.'],
  ['another scheme', z.url({ protocol: /^https$/ }), 'ftp://x', /^This must be an address such/],
  ['its own words', z.string().regex(/^a/, 'An a first.'), 'b', 'An a first.'],
  ['a list for an object', z.object({}), [], /^This must be a JSON object/],
])('%s', (_what, schema: z.ZodType, input: unknown, says) => {
  const message = schema.safeParse(input, { error: describeIssue }).error?.issues[0]?.message;
  if (typeof says === 'string') expect(message).toBe(says);
  else expect(message).toMatch(says);
});
