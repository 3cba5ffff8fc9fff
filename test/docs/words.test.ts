/** What the pages name is there: scripts, settings, links and their anchors, files, metrics. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { Environment } from '../../control-plane/src/config.ts';
import { TOP } from '../../control-plane/src/templates.ts';
import { listCode, PAGES, type Page } from './pages.ts';

const read = (path: string): string => readFileSync(join(TOP, path), 'utf8');

/** Every match in every page's code, as `page: word`. */
function findWords(pattern: RegExp, of = (_: Page): boolean => true): [string, string][] {
  return PAGES.filter(of).flatMap((page) =>
    listCode(page)
      .flatMap((code) => [...code.matchAll(pattern)])
      .map(([whole, word = whole]): [string, string] => [page.path, word]),
  );
}

/** Those that nobody has; `page: word`. */
function listUnknown(words: readonly [string, string][], isKnown: (word: string) => boolean) {
  expect(words.length).toBeGreaterThan(5);
  return words.filter(([, word]) => !isKnown(word)).map(([page, word]) => `${page}: ${word}`);
}

test('every npm script', () => {
  const { scripts } = z
    .looseObject({ scripts: z.record(z.string(), z.string()) })
    .parse(JSON.parse(read('package.json')));
  const words = findWords(/npm run (?:--silent )?([\w:-]+)/g);
  expect(listUnknown(words, (name) => name in scripts)).toEqual([]);
});

test('every setting', () => {
  // Those of the ways to run are read where their folders are.
  const others = read('bootstrap/lab/paths.ts') + read('bootstrap/k3s/install.sh');
  const isKnown = (name: string): boolean => name in Environment.shape || others.includes(name);
  expect(listUnknown(findWords(/\bSHOPYARD_[A-Z0-9_]+\b/g), isKnown)).toEqual([]);
});

test('every setting that is a credential has its line among those to rotate', () => {
  const rotated = read('docs/runbooks/rotate-credentials.md');
  const credentials = Object.keys(Environment.shape).filter((name) =>
    /TOKEN|PASSWORD|SECRET|_KEY_|DATABASE_URL|SMTP_URL|KUBECONFIG/.test(name),
  );
  expect(credentials.length).toBeGreaterThan(12);
  expect(credentials.filter((name) => !rotated.includes(`\`${name}\``))).toEqual([]);
});

test('every link, and the heading that it leads to', () => {
  const broken = PAGES.flatMap(({ path, prose }) =>
    [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^(https?|mailto):/.test(target))
      .filter((target) => {
        const [file = '', anchor] = target.split('#');
        const found = file === '' ? path : join(dirname(path), file);
        if (!existsSync(join(TOP, found))) return true;
        const headings = PAGES.find((page) => page.path === found)?.headings ?? [];
        return anchor !== undefined && !headings.map(nameAnchor).includes(anchor);
      })
      .map((target) => `${path}: ${target}`),
  );
  expect(broken).toEqual([]);
});

/** As GitHub makes them. */
function nameAnchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

test('every file and folder', () => {
  const missing = PAGES.flatMap((page) => {
    const roots = [TOP, join(TOP, dirname(page.path)), join(TOP, 'control-plane/src')];
    const isThere = (path: string): boolean => roots.some((root) => existsSync(join(root, path)));
    return listCode(page)
      .flatMap((code) => code.split(/[\s'"=]+/))
      .filter((word) => /^[\w.-]+(\/[\w.-]+)+\/?$/.test(word))
      .filter((word) => word.endsWith('.ts') || existsSync(join(TOP, word.split('/')[0] ?? '')))
      .filter((word) => !isThere(word))
      .map((word) => `${page.path}: ${word}`);
  });
  expect(missing).toEqual([]);
});

test('every metric', () => {
  const metrics = [
    ...read('docs/metrics.md').matchAll(/^\| `(\w+)` .*(gauge|counter|histogram)/gm),
  ].map(([, name = '']) => name);
  // By the first word; a shop's by two, since much is called shopyard_.
  const families = [...new Set(metrics.map((name) => /^(shopyard_)?[a-z]+/.exec(name)?.[0]))].join(
    '|',
  );
  const words = findWords(
    new RegExp(String.raw`\b(?:${families})_[a-z_]*`, 'g'),
    ({ path }) => path.startsWith('docs/runbooks') || path.startsWith('bootstrap/monitoring'),
  );
  const isKnown = (word: string): boolean => metrics.some((name) => name.startsWith(word));
  expect(listUnknown(words, isKnown)).toEqual([]);
});
