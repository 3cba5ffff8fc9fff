/**
 * GitHub's published descriptions, for the stand-in: what its answers are made of (GitHub's own
 * examples), and what they and our requests are checked against (its OpenAPI schemas).
 */
import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';

export type Json = Record<string, unknown>;

const DESCRIPTION = JSON.parse(
  readFileSync(new URL('../fixtures/github/openapi.json', import.meta.url), 'utf8'),
) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  readonly components: Readonly<Record<string, Readonly<Record<string, Json>>>>;
};

const ajv = new Ajv({
  strict: false,
  allErrors: true,
  formats: {
    uri: (text: string) => URL.canParse(text),
    'date-time': (text: string) => !Number.isNaN(Date.parse(text)),
    email: true,
    int64: true,
    'uri-template': true,
    date: true,
    'repo.nwo': true,
  },
});
ajv.addSchema({ components: allowNull(DESCRIPTION.components) }, 'https://github.test/description');
const validators = new Map<string, ValidateFunction>();

/** One of GitHub's examples, to be changed at will. */
export function takeExample(name: string): Json {
  const example = DESCRIPTION.components['examples']?.[name]?.['value'];
  if (example === undefined) throw new Error(`GitHub publishes no example ${name} for these`);
  return structuredClone(example) as Json;
}

/** What is wrong with an answer, by the published schema of its operation; null: nothing. */
export function checkAnswer(
  path: string,
  method: string,
  status: number,
  body: unknown,
): string | null {
  const responses = readOperation(path, method)['responses'] as Json;
  const response = dereference(responses[String(status)]);
  const schema = readSchema(response);
  if (status === 204) return body === null ? null : 'an empty answer has a body';
  // GitHub publishes one form for every error; an operation lists only some of them.
  if (schema === null && status < 400) return `${String(status)} is no answer of ${path}`;
  const errors = { $ref: '#/components/schemas/basic-error' };
  return check(`${method} ${path} ${String(status)}`, schema ?? errors, body);
}

/** What is wrong with a request's body; null: nothing. */
export function checkRequest(path: string, method: string, body: unknown): string | null {
  const schema = readSchema(readOperation(path, method)['requestBody'] as Json | undefined);
  if (schema === null) return body === null ? null : `${path} takes no body`;
  return check(`${method} ${path}`, schema, body ?? {});
}

function readOperation(path: string, method: string): Json {
  const operation = DESCRIPTION.paths[path]?.[method.toLowerCase()];
  if (operation === undefined) throw new Error(`GitHub’s ${method} ${path} was not extracted`);
  return operation;
}

function readSchema(described: Json | undefined): Json | null {
  const content = described?.['content'] as Json | undefined;
  const json = content?.['application/json'] as Json | undefined;
  return (json?.['schema'] as Json | undefined) ?? null;
}

function dereference(value: unknown): Json | undefined {
  const reference = (value as Json | undefined)?.['$ref'];
  if (typeof reference !== 'string') return value as Json | undefined;
  const [, , kind = '', name = ''] = reference.split('/');
  return DESCRIPTION.components[kind]?.[name];
}

function check(name: string, schema: Json, value: unknown): string | null {
  let validate = validators.get(name);
  if (validate === undefined) {
    validate = ajv.compile(absolute(allowNull(schema)) as Json);
    validators.set(name, validate);
  }
  return validate(value) ? null : ajv.errorsText(validate.errors).slice(0, 1_000);
}

/** OpenAPI 3.0 says `nullable` where JSON Schema has a type of its own. */
function allowNull(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(allowNull);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { nullable, ...rest } = schema as Json;
  const inner = Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [key, allowNull(value)]),
  );
  // A property may be called so too.
  if (nullable === undefined || typeof nullable === 'object')
    return nullable === undefined ? inner : { ...inner, nullable: allowNull(nullable) };
  return nullable === true ? { anyOf: [inner, { type: 'null' }] } : inner;
}

function absolute(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(absolute);
  if (typeof schema !== 'object' || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [
      key,
      key === '$ref' && typeof value === 'string'
        ? `https://github.test/description${value}`
        : absolute(value),
    ]),
  );
}
