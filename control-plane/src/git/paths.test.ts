import { expect, test } from 'vitest';
import { confinePath } from './paths.ts';

test.each([
  'store.yaml',
  'stores/7f/abc123-shop/store.yaml',
  'charts/woocommerce/1.0.0/templates/_helpers.tpl',
  '.helmignore',
  '.gitattributes',
  'a..b/c.git/x',
  'Läden/größe.yaml',
])('%j is a path', (path) => {
  expect(confinePath(path)).toEqual({ segments: path.split('/'), isFolder: false });
});

test('a slash at the end names a folder', () => {
  expect(confinePath('apps/0/')).toEqual({ segments: ['apps', '0'], isFolder: true });
});

test.each([
  '',
  '/',
  '//',
  '/etc/passwd',
  '..',
  '../x',
  'a/../b',
  'a/..',
  './a',
  'a/./b',
  'a//b',
  'a\\b',
  'a\0b',
  'a\nb',
  'a\u007fb',
  'C:/x',
  'file::$DATA',
  '.git',
  '.GIT/config',
  'a/.Git/hooks/post-receive',
  '.git ',
  '.git.',
  '.git./x',
  '.g\u200cit/config',
  '\ufeff.git/x',
  '.\uff47\uff49\uff54/config',
  'GIT~1/config',
  'git~2',
  '.gitmodules',
  '.GitModules',
  'gitmod~1',
  'gi7eba~1',
  'a ',
  ' a/b',
  'a./b',
  'a\u0308.yaml',
  'a\ud800b',
  'a\u2028b',
  'a'.repeat(256),
  `${'a/'.repeat(600)}b`,
])('%j is refused (reliability 14)', (path) => {
  expect(() => confinePath(path)).toThrow(expect.objectContaining({ code: 'unsafe_path' }));
});
