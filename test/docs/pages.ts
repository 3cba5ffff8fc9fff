/** The pages that people read, taken apart: blocks of commands, and what stands in code. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TOP } from '../../control-plane/src/templates.ts';

export type Block = {
  readonly page: string;
  /** The one above it that is nearest. */
  readonly heading: string;
  readonly language: string;
  readonly text: string;
  /** The paragraph right above says what must be there for it. */
  readonly needs: boolean;
};

export type Page = {
  /** From the top of the checkout. */
  readonly path: string;
  readonly blocks: readonly Block[];
  readonly headings: readonly string[];
  /** All but the blocks. */
  readonly prose: string;
};

/** Every page of the repository that is written by people. */
export const PAGES: readonly Page[] = globSync(
  ['*.md', 'docs/**/*.md', '{bootstrap,clusters,policies,portal,templates,test}/**/*.md'],
  { cwd: TOP, exclude: (path) => path.includes('node_modules') },
)
  .toSorted()
  .map((path) => readPage(path, readFileSync(join(TOP, path), 'utf8')));

/** Of the pages whose commands are promised to work. */
export const BLOCKS: readonly Block[] = PAGES.filter(
  ({ path }) =>
    ['README.md', 'DESIGN.md', 'SECURITY.md'].includes(path) || path.startsWith('docs/'),
)
  .flatMap(({ blocks }) => blocks)
  .filter(({ language }) => language === 'sh');

function readPage(path: string, text: string): Page {
  const blocks: Block[] = [];
  const headings: string[] = [];
  const prose: string[] = [];
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    const fence = /^(\s*)```(\S*)/.exec(line);
    const heading = /^#+ (.*)$/.exec(line)?.[1];
    if (heading !== undefined) headings.push(heading);
    if (fence === null) prose.push(line);
    else {
      const [, indent = '', language = ''] = fence;
      const end = lines.indexOf(`${indent}\`\`\``, at + 1);
      blocks.push({
        ...{ page: path, heading: headings.at(-1) ?? '', language },
        text: lines
          .slice(at + 1, end)
          .map((one) => one.slice(indent.length))
          .join('\n'),
        needs: /^Needs\b/.test(
          prose
            .join('\n')
            .trimEnd()
            .split(/\n\s*\n/)
            .at(-1)
            ?.trim() ?? '',
        ),
      });
      at = end;
    }
  }
  return { path, blocks, headings, prose: prose.join('\n') };
}

/** What stands in code: spans of the prose, and blocks. */
export function listCode({ prose, blocks }: Page): string[] {
  const spans = [...prose.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
  return [...spans, ...blocks.map(({ text }) => text)];
}

/** Commands that go over several lines are one. */
export function splitCommands(text: string): string[] {
  return text.split(/(?<![\\|])\n(?=\S)/);
}
