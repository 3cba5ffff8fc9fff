/** The API on one readable page: plain HTML, no scripts, nothing from elsewhere. */
import { createHash } from 'node:crypto';
import { describeApi, listProblems } from './openapi.ts';
import { PROBLEMS } from './problem.ts';
import type { RouteDescription } from './route.ts';

const STYLE = `
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; font-size: 1.1rem; }
code, pre { font: 0.9rem/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid; border-radius: 0.4rem; }
dt { font-weight: 600; } dd { margin: 0 0 0.5rem 1.5rem; }
`;

/** The page's Content-Security-Policy: its own style and nothing else. */
export const DOCS_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256')
  .update(STYLE)
  .digest('base64')}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`;

const WHO = {
  anyone: 'anyone',
  known: 'everybody who signed in or shows a token',
  user: 'people who signed in',
  reader: 'operators, owners, members, viewers',
  writer: 'operators, owners, members',
  owner: 'operators, owners',
  operator: 'operators',
} as const;

export function renderDocs(routes: readonly RouteDescription[]): string {
  const { components } = describeApi(routes);
  const sections = routes.map(
    (one) => `<section><h2><code>${one.method} ${escape(one.path)}</code></h2>
<p>${escape(one.summary)}. For: ${WHO[one.policy]}.${one.idempotent ? ' Takes an <code>Idempotency-Key</code>.' : ''}</p>
<p>Answers ${Object.keys(one.answers).join(', ')}; refuses with ${listProblems(one)
      .map((code) => `<a href="#${code}"><code>${code}</code></a>`)
      .join(', ')}.</p></section>`,
  );
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<details><summary><code>${escape(name)}</code></summary><pre tabindex="0">${escape(JSON.stringify(schema, null, 2))}</pre></details>`,
  );
  const problems = Object.entries(PROBLEMS).map(
    ([code, [status, title]]) =>
      `<dt id="${code}"><code>${code}</code> (${status})</dt><dd>${escape(title)}.</dd>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Shopyard API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>${STYLE}</style></head><body><main>
<h1>Shopyard API</h1>
<p>For programs: <a href="/api/openapi.json">openapi.json</a>. Send <code>Authorization: Bearer shop_…</code>.</p>
${sections.join('\n')}
<h2>Schemas</h2>
${schemas.join('\n')}
<h2>Problems</h2>
<dl>
${problems.join('\n')}
</dl>
</main></body></html>
`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
