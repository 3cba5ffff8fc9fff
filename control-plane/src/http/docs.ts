/** The API on one readable page: plain HTML, no scripts, nothing from elsewhere. */
import { createHash } from 'node:crypto';
import { describeApi, listProblems } from './openapi.ts';
import { PROBLEMS } from './problem.ts';
import type { RouteDescription } from './route.ts';

const STYLE = `
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 2rem; }
h2 { margin-top: 3rem; font-size: 1.4rem; overflow-wrap: anywhere; }
h3 { margin: 1.25rem 0 0.25rem; font-size: 1.1rem; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.9em; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid; border-radius: 0.4rem; }
pre code { font-size: 1em; }
dl { margin: 0.25rem 0 1rem; } dt { font-weight: 600; overflow-wrap: anywhere; }
dt small { font-weight: 400; } dd { margin: 0 0 0.5rem 1.5rem; }
details { margin: 0.5rem 0; } summary { cursor: pointer; }
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

/** As much of JSON Schema as our schemas come to. */
type Schema = {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
};
type Schemas = Readonly<Record<string, Schema>>;
type Content = Readonly<Record<string, { readonly schema?: Schema }>>;
type Operation = {
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    readonly schema: Schema;
  }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
};

export type ExampleFacts = {
  /** Where the API answers. */
  readonly origin: string;
  /** One that is on offer. */
  readonly engine: string;
  /** No shop runs here. */
  readonly practice: boolean;
};

export function renderDocs(routes: readonly RouteDescription[], facts: ExampleFacts): string {
  const { components, paths } = describeApi(routes);
  const schemas = components.schemas as Schemas;
  const sections = routes.map((one) =>
    renderRoute(one, paths[one.path]?.[one.method.toLowerCase()] as Operation, schemas, facts),
  );
  const shapes = Object.entries(schemas).map(
    ([name, schema]) =>
      `<h3 id="schema-${escape(name)}">${escape(name)}</h3>${renderFields(schema)}`,
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
${facts.practice ? '<p><strong>Practice cluster.</strong> Stores go through every step, but nothing is running.</p>' : ''}
<p>For programs: <a href="/api/openapi.json">openapi.json</a>. Send <code>Authorization: Bearer shop_…</code>
and JSON. In the examples, <code>$TOKEN</code> is your token.</p>
${sections.join('\n')}
<h2 id="shapes">Shapes</h2>
${shapes.join('\n')}
<h2 id="problems">Problems</h2>
<p>A refusal is <a href="#schema-ProblemDetails">ProblemDetails</a> with one of these codes.</p>
<dl>
${problems.join('\n')}
</dl>
</main></body></html>
`;
}

function renderRoute(
  one: RouteDescription,
  operation: Operation,
  schemas: Schemas,
  facts: ExampleFacts,
): string {
  const taken = operation.requestBody?.content['application/json']?.schema;
  const body = taken === undefined ? undefined : resolve(taken, schemas);
  const query = operation.parameters.filter((parameter) => parameter.in === 'query');
  const problems = listProblems(one);
  return `<section><h2><code>${one.method} ${escape(one.path)}</code></h2>
<p>${escape(one.summary)}. For: ${WHO[one.policy]}.${one.recent ? ' Asks for the password again.' : ''}${one.idempotent ? ' Takes an <code>Idempotency-Key</code>.' : ''}</p>
${body === undefined ? '' : `<h3>Body</h3>${renderFields(body)}`}
${
  query.length === 0
    ? ''
    : `<h3>Query</h3><dl>${query.map(({ name, required, schema }) => renderField(name, schema, required)).join('')}</dl>`
}
<h3>Example</h3>
<pre tabindex="0"><code>${escape(writeExample(one, body, schemas, facts))}</code></pre>
<h3>Answer</h3>
<dl>${Object.entries(one.answers)
    .map(([status, answer]) => {
      const schema = operation.responses[status]?.content?.['application/json']?.schema;
      const shape = schema === undefined ? undefined : resolve(schema, schemas);
      const meaning = one.meanings?.[Number(status)];
      const what = answer === 'empty' ? 'nothing' : typeof answer === 'string' ? answer : '';
      return `<dt>${status}${schema === undefined ? ` <small>${escape(what)}</small>` : ` <small>${nameType(schema)}</small>`}</dt>${
        meaning === undefined ? '' : `<dd>${escape(meaning)}.</dd>`
      }${shape === undefined ? '' : `<dd><code>${writeShape(shape)}</code></dd>`}`;
    })
    .join('')}</dl>
<details><summary>${problems.length} ways to be refused</summary><p>${problems
    .map((code) => `<a href="#${code}"><code>${code}</code></a>`)
    .join(', ')}</p></details></section>`;
}

function resolve(schema: Schema, schemas: Schemas): Schema {
  const name = schema.$ref?.split('/').at(-1);
  return name === undefined ? schema : (schemas[name] ?? schema);
}

/** A schema's fields, each with its type and whether it is needed. */
function renderFields(schema: Schema): string {
  if (schema.properties === undefined) return `<p>${nameType(schema)}</p>`;
  const fields = Object.entries(schema.properties).map(([name, field]) =>
    renderField(name, field, schema.required?.includes(name) ?? false),
  );
  return `<dl>${fields.join('')}</dl>`;
}

function renderField(name: string, schema: Schema, isNeeded: boolean): string {
  const preset =
    schema.default === undefined
      ? ''
      : `, else <code>${escape(JSON.stringify(schema.default))}</code>`;
  const { description } = schema;
  return `<dt><code>${escape(name)}</code> <small>${nameType(schema)}${isNeeded && preset === '' ? '' : ', optional'}${preset}</small></dt>${description === undefined ? '' : `<dd>${escape(description)}.</dd>`}`;
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'whole number',
  boolean: 'true or false',
};

/** A type in words, as HTML: shapes with a name are linked. */
function nameType(schema: Schema): string {
  const name = schema.$ref?.split('/').at(-1);
  if (name !== undefined) return `<a href="#schema-${escape(name)}">${escape(name)}</a>`;
  if (schema.enum !== undefined) return schema.enum.map((one) => escape(String(one))).join(' | ');
  if (schema.const !== undefined) return escape(JSON.stringify(schema.const));
  if (schema.anyOf !== undefined) return schema.anyOf.map(nameType).join(' or ');
  if (schema.items !== undefined) return `list of ${nameType(schema.items)}`;
  if (schema.properties !== undefined) return writeShape(schema);
  if (typeof schema.additionalProperties === 'object')
    return `object of ${nameType(schema.additionalProperties)}`;
  return [schema.type ?? 'anything']
    .flat()
    .map((type) => TYPES[type] ?? type)
    .join(' or ');
}

/** `{store: Store, operation: Operation}` */
function writeShape(schema: Schema): string {
  if (schema.properties === undefined) return nameType(schema);
  const fields = Object.entries(schema.properties).map(
    ([name, field]) => `${escape(name)}: ${nameType(field)}`,
  );
  return `{${fields.join(', ')}}`;
}

/** What is plausible in a field of this name. */
const SAMPLES: Readonly<Record<string, unknown>> = {
  name: 'tulips',
  plan: 'medium',
  slug: 'flowers',
  tenant: 'flowers',
  email: 'ada@example.com',
};

function writeExample(
  one: RouteDescription,
  body: Schema | undefined,
  schemas: Schemas,
  { origin, engine }: ExampleFacts,
): string {
  const path = one.path.replace(/\{(\w+)\}/g, (_, name: string) => `$${name.toUpperCase()}`);
  const isForPeople = one.policy === 'user' || one.recent === true;
  const credential = isForPeople
    ? `-b "shopyard.session_token=$SESSION"${one.method === 'GET' ? '' : ` -H "Origin: ${origin}"`}`
    : '-H "Authorization: Bearer $TOKEN"';
  return [
    `curl ${one.method === 'GET' ? '' : `-X ${one.method} `}"${origin}${path}"`,
    ...(one.policy === 'anyone' ? [] : [credential]),
    ...(body === undefined
      ? []
      : [
          "-H 'Content-Type: application/json'",
          `-d '${JSON.stringify(fillIn(body, schemas, engine))}'`,
        ]),
  ].join(' \\\n  ');
}

function fillIn(body: Schema, schemas: Schemas, engine: string): unknown {
  const sample = sampleOf(body, schemas, '');
  const isOfEngine = sample !== null && typeof sample === 'object' && 'type' in sample;
  return isOfEngine ? { ...sample, type: engine } : sample;
}

/** What is needed and no more; where nothing is, the first field. */
function sampleOf(schema: Schema, schemas: Schemas, name: string): unknown {
  const plain = resolve(schema, schemas);
  if (plain.properties !== undefined) {
    const fields = Object.entries(plain.properties);
    const needed = fields.filter(
      ([field, { default: preset }]) => plain.required?.includes(field) && preset === undefined,
    );
    return Object.fromEntries(
      (needed.length === 0 ? fields.slice(0, 1) : needed).map(([field, one]) => [
        field,
        sampleOf(one, schemas, field),
      ]),
    );
  }
  if (plain.enum !== undefined) return plain.enum[0];
  if (plain.anyOf !== undefined) return sampleOf(plain.anyOf[0] ?? {}, schemas, name);
  if (plain.items !== undefined) return [sampleOf(plain.items, schemas, name)];
  if (plain.type === 'boolean') return true;
  if (plain.type === 'integer' || plain.type === 'number') return Math.max(plain.minimum ?? 1, 1);
  return SAMPLES[name] ?? '…';
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
