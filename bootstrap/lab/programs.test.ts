import { expect, test } from 'vitest';
import {
  findProgram,
  programKey,
  programs,
  readDirectives,
  renderGoMod,
  type ProgramRecipe,
} from './programs.ts';

const recipe: ProgramRecipe = {
  name: 'tool',
  version: '1.34.4',
  module: 'example.org/tool',
  packages: ['example.org/tool/cmd/one', 'example.org/tool/cmd/two'],
  way: 'module',
  goLine: '1.25',
  directives: 'repeat',
  ldflags: '-s',
  typicalMinutes: 1,
};

const goMod = `module example.org/tool

go 1.24

require (
	example.org/a v1.0.0 // indirect
	example.org/replace v1.0.0
)

replace example.org/a => example.org/fork v1.1.0 // why

replace (
	example.org/b => ./local
	example.org/c v1.2.3 => example.org/d v1.2.4
	k8s.io/api => ./staging/src/k8s.io/api
)

exclude example.org/e v0.1.0
exclude (
	example.org/f v0.2.0
)
`;

test('a key follows what decides the outcome, and not how long it takes', () => {
  const key = programKey(recipe);
  expect(key).toMatch(/^tool-1\.34\.4-[0-9a-f]{8}$/);
  expect(programKey({ ...recipe, typicalMinutes: 99 })).toBe(key);
  expect(programKey({ ...recipe, ldflags: '-w' })).not.toBe(key);
  expect(programKey({ ...recipe, packages: recipe.packages.slice(1) })).not.toBe(key);
  expect(programKey({ ...recipe, version: '1.34.5' })).not.toBe(key);
});

test('the lab names each program once', () => {
  const keys = programs.map(programKey);
  expect(new Set(keys).size).toBe(keys.length);
  expect(findProgram('helm').module).toBe('helm.sh/helm/v3');
  expect(() => findProgram('no-such')).toThrow('no-such');
});

test('reads replace and exclude lines, alone and in blocks, and no others', () => {
  expect(readDirectives(goMod)).toEqual([
    'replace example.org/a => example.org/fork v1.1.0',
    'replace example.org/b => ./local',
    'replace example.org/c v1.2.3 => example.org/d v1.2.4',
    'replace k8s.io/api => ./staging/src/k8s.io/api',
    'exclude example.org/e v0.1.0',
    'exclude example.org/f v0.2.0',
  ]);
});

test('repeats directives in a go.mod of our own, but not those that lead to folders', () => {
  expect(renderGoMod({ ...recipe, extraLines: ['replace x => y v1.0.0'] }, goMod)).toBe(
    `module lab/tool
go 1.25
tool example.org/tool/cmd/one
tool example.org/tool/cmd/two
require example.org/tool v1.34.4
replace example.org/a => example.org/fork v1.1.0
replace example.org/c v1.2.3 => example.org/d v1.2.4
exclude example.org/e v0.1.0
exclude example.org/f v0.2.0
replace x => y v1.0.0
`,
  );
});

test("turns Kubernetes' folders of its own repository into modules of the same release", () => {
  const text = renderGoMod({ ...recipe, directives: 'kubernetes-staging' }, goMod);
  expect(text.split('\n').filter((line) => line.startsWith('replace'))).toEqual([
    'replace k8s.io/api => k8s.io/api v0.34.4',
  ]);
});
