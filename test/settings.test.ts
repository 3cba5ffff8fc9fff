/** The page of all settings, docs/settings.md, is written from config.ts: by `npm run golden:update`. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { Environment } from '../control-plane/src/config.ts';
import { expectWritten } from './support/written.ts';

const PAGE = join(import.meta.dirname, '../docs/settings.md');

const Properties = z.record(
  z.string(),
  z.looseObject({
    description: z.string().optional(),
    default: z.union([z.string(), z.number(), z.boolean()]).optional(),
    enum: z.array(z.string()).optional(),
  }),
);

test('docs/settings.md has every setting, its default and what it is for', async () => {
  const { properties } = z.toJSONSchema(Environment, { io: 'input' });
  const rows = Object.entries(Properties.parse(properties)).map(([name, setting]) => {
    const { description = '', enum: choices } = setting;
    expect(description, `${name}: a description`).not.toBe('');
    const fallback =
      setting.default === undefined || setting.default === ''
        ? ''
        : `\`${String(setting.default)}\``;
    const values =
      choices === undefined ? '' : ` (${choices.map((one) => `\`${one}\``).join(', ')})`;
    return `| \`${name}\` | ${fallback} | ${description.replaceAll('|', '\\|').replaceAll('<', '&lt;')}${values} |`;
  });
  await expectWritten(
    PAGE,
    `# Settings

All by environment variables; an empty one is an unset one. What is wrong stops the start, all of it at
once, each in a sentence that begins with the setting's name. A test writes this page from the code.

| Setting | Default | What it is for |
| --- | --- | --- |
${rows.join('\n')}
`,
  );
});
