import { expect, test } from 'vitest';
import { chooseRounds } from '../../../test/faults/tally.ts';
import { compileTemplate, parseYaml, writeYaml } from './template.ts';

const ROUNDS = chooseRounds({ short: 20_000, full: 100_000 });

const compile = (source: string) => compileTemplate({ t: source }, 't');

test('writes sorted keys, one document, LF', () => {
  expect(compile('b: {{yaml b}}\na: {{yaml a}}\n')({ a: 'x', b: 2 })).toBe('a: x\nb: 2\n');
});

test.each([
  ['a: {{a}}', 'a bare expression'],
  ['a: {{{a}}}', 'a raw expression'],
  ['a: {{yaml a b}}', 'more than one value'],
  ['{{#each a}}x: 1{{/each}}', 'a loop'],
  ['{{> other}}', 'a partial'],
  ['a: {{lookup a b}}', 'another helper'],
  ['{{#if a}}b: {{b}}{{/if}}', 'a bare expression within #if'],
])('refuses a template with %s (%s)', (source) => {
  expect(() => compile(source)).toThrow(/only \{\{yaml/);
});

test('refuses a value that is missing, or is neither a scalar nor a mapping', () => {
  const render = compile('a: {{yaml a}}');
  expect(() => render({})).toThrow();
  expect(() => render({ a: new Date(0) })).toThrow(/not a scalar/);
  expect(() => render({ a: { b: ['x'] } })).toThrow(/not a scalar/);
  expect(() => render({ a: { b: undefined } })).toThrow(/not a scalar/);
  expect(() => render({ a: ['x'] })).toThrow(/not a scalar/);
  expect(() => render({ a: null })).toThrow(/not a scalar/);
  expect(() => render({ a: 1.5 })).toThrow(/not a scalar/);
  expect(() => render({ a: '\ud800' })).toThrow(/half of a Unicode character/);
});

test('does not read inherited properties', () => {
  expect(() => compile('a: {{yaml constructor}}')({})).toThrow();
  expect(() => compile('a: {{yaml a.__proto__}}')({ a: {} })).toThrow();
});

test('what cannot be read says so as a PlatformError, an alias too', () => {
  for (const text of ['a: [', 'a: &x 1\nb: *x\n', 'a: *unknown\n', 'a: 1\n---\nb: 2\n'])
    expect(() => parseYaml('t', text)).toThrow(
      expect.objectContaining({ code: 'template_unsafe' }),
    );
});

const AWKWARD = [
  'no', 'yes', 'on', 'off', 'null', '~', 'true', '1e3', '0x1f', '0o17', '017', '1_000', '12:30:00',
  '---', '...', '- a', '? b', '&a', '*a', '!!str x', '# c', 'a: b', 'a #b', '{{ x }}', '{{{x}}}',
  '<<', '=', '%YAML 1.1', '`', '@', '|', '>', "'", '"', '\\', '\\u0041', '\0', '\u0007', '\t',
  '\r\n', '\n', ' ', '\u0085', '\u00a0', '\u2028', '\u2029', '\ufeff', '\uffff', '\u200b', '\u202e',
  '😀', 'é', '__proto__', 'constructor', '../..', '.git', '-rf', '$(x)', '${x}', '{{.Values}}',
]; // prettier-ignore

test('writes a mapping as it is, whatever its keys and values are', () => {
  const inner = Object.fromEntries(AWKWARD.map((text) => [text, text]));
  const value = { flag: true, count: 3, nothing: null, empty: {}, inner };
  const read = parseYaml('t', compile('a: {{yaml a}}\n')({ a: value })) as { a: typeof value };
  expect(Object.entries(read.a.inner).sort()).toEqual(Object.entries(inner).sort());
  expect({ ...read.a, inner }).toEqual(value);
});

/** mulberry32: small, seeded, good enough to pick strings. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

test('what goes in as a string comes out as that string, whatever it is (reliability 13)', () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  const random = createRandom(seed);
  const pick = (): string => {
    const parts = Array.from({ length: 1 + Math.floor(random() * 4) }, () =>
      random() < 0.7
        ? (AWKWARD[Math.floor(random() * AWKWARD.length)] ?? '')
        : String.fromCodePoint(Math.floor(random() * 0xd7ff)),
    );
    return parts.join(random() < 0.5 ? '' : ' ');
  };
  const render = compile('outer:\n  a: {{yaml a}}\n  b:\n    - {{yaml b}}\n');
  for (let round = 0; round < ROUNDS; round++) {
    const value = { a: pick(), b: pick() };
    const context = `seed ${seed}, round ${round}: ${JSON.stringify(value)}`;
    const text = render(value);
    if (text.includes('\r')) throw new Error(`carriage return: ${context}`);
    const read = parseYaml('t', text) as { outer: { a: string; b: string[] } };
    if (
      Object.keys(read).join() !== 'outer' ||
      Object.keys(read.outer).join() !== 'a,b' ||
      read.outer.b.length !== 1 ||
      read.outer.a !== value.a ||
      read.outer.b[0] !== value.b
    )
      throw new Error(`not the same: ${context}\n${text}`);
  }
}, 120_000);

test('quotes what YAML 1.1 readers (Go’s among them) would take for something else', () => {
  for (const text of ['no', 'on', 'y', '1_000', '012', '12:30:00', '1e3', 'null', '~', '0x1f'])
    expect(writeYaml({ a: text })).toMatch(/^a: ["']/);
});
