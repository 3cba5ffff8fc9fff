/** What a schema finds wrong, in a plain sentence. A schema's own messages go before these. */
import type { z } from 'zod';

type Issue = z.core.$ZodRawIssue;

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  nan: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  stringbool: 'true or false',
  object: 'a JSON object, such as {"name": "tea"}',
  record: 'a JSON object, such as {"name": "tea"}',
  array: 'a list',
  date: 'a date',
  null: 'null',
};

const FORMATS: Readonly<Record<string, string>> = {
  email: 'an e-mail address',
  url: 'an address such as https://shop.example.com',
  datetime: 'a time such as 2026-01-31T12:00:00Z',
  date: 'a date such as 2026-01-31',
};

/** For a schema's `error` option: zod's own words are for programmers. */
export function describeIssue(issue: Issue): string {
  if (isMissing(issue)) return 'This is needed.';
  switch (issue.code) {
    case 'invalid_type':
      return `This must be ${KINDS[issue.expected] ?? issue.expected}.`;
    case 'invalid_value':
      return issue.values.length === 1 || issue['expected'] === 'stringbool'
        ? `This must be ${KINDS[String(issue['expected'])] ?? String(issue.values[0])}.`
        : `This must be one of: ${issue.values.map(String).join(', ')}.`;
    case 'invalid_format':
      return `This must be ${FORMATS[issue.format] ?? 'written in another form'}.`;
    case 'too_small':
      return `This must ${describeBound(issue.origin, 'at least', Number(issue.minimum))}.`;
    case 'too_big':
      return `This must ${describeBound(issue.origin, 'at most', Number(issue.maximum))}.`;
    case 'unrecognized_keys':
      return 'No such field.';
    default:
      return 'This is not valid.';
  }
}

/** Nothing was given where something must be. */
export function isMissing(issue: { readonly code: string; readonly input?: unknown }): boolean {
  return (
    issue.input === undefined && (issue.code === 'invalid_type' || issue.code === 'invalid_value')
  );
}

function describeBound(origin: string, bound: 'at least' | 'at most', limit: number): string {
  if (origin === 'string')
    return limit === 1 && bound === 'at least'
      ? 'not be empty'
      : `have ${bound} ${limit} characters`;
  if (origin === 'array' || origin === 'set')
    return `have ${bound} ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
  return `be ${bound} ${limit}`;
}
