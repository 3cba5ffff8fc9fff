/**
 * Handlebars templates that can only make data. Every expression must be `{{yaml value}}`, which
 * writes JSON: a scalar, or a mapping of such (or `#if` on a flag). No user string can become
 * structure. What was rendered is parsed again and written in one canonical form, so that the same
 * input gives the same bytes.
 */
import Handlebars from 'handlebars';
import { parseAllDocuments, stringify } from 'yaml';
import { describeError, PlatformError } from '../errors.ts';

/** Template sources by name: `manifests/application.yaml.hbs` → text. */
export type TemplateSources = Readonly<Record<string, string>>;

/** Renders the template to YAML of one document. `data` must have every value the template names. */
export type Template = (data: Readonly<Record<string, unknown>>) => string;

const handlebars = Handlebars.create();
handlebars.registerHelper('yaml', (value: unknown) => writeValue(value));

/** Compiles a template; throws when it has an expression other than `yaml` and `#if`. */
export function compileTemplate(sources: TemplateSources, name: string): Template {
  const source = sources[name];
  if (source === undefined)
    throw new PlatformError('template_missing', `No template named ${name}.`);
  checkExpressions(name, handlebars.parse(source));
  const render = handlebars.compile(source, {
    strict: true,
    noEscape: true,
    knownHelpers: { yaml: true, if: true },
    knownHelpersOnly: true,
  });
  return (data) => {
    const text = render(data, { allowProtoPropertiesByDefault: false });
    return canonicalize(name, text);
  };
}

/** Parses YAML of exactly one document; throws on anything doubtful. */
export function parseYaml(name: string, text: string): unknown {
  const [value, ...more] = parseDocuments(name, text);
  if (more.length > 0)
    throw new PlatformError('template_unsafe', `${name}: more than one document.`);
  return value;
}

/** Writes a value as YAML: sorted keys, LF, no line folding; quoted where YAML 1.1 would misread it. */
export function writeYaml(value: unknown): string {
  return stringify(value, {
    sortMapEntries: true,
    lineWidth: 0,
    compat: 'yaml-1.1',
    aliasDuplicateObjects: false,
    // Block scalars lose lines of nothing but blanks; quoted ones lose nothing.
    blockQuote: false,
    // Over several lines the library writes a line of one blank as a backslash.
    doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER,
  });
}

function canonicalize(name: string, text: string): string {
  return parseDocuments(name, text).map(writeYaml).join('---\n');
}

function parseDocuments(name: string, text: string): unknown[] {
  const documents = parseAllDocuments(text, { strict: true, uniqueKeys: true, stringKeys: true });
  if (!Array.isArray(documents) || documents.length === 0)
    throw new PlatformError('template_unsafe', `${name}: no document.`);
  return documents.map((document) => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined)
      throw new PlatformError('template_unsafe', `${name}: ${problem.message}`);
    try {
      return document.toJS({ maxAliasCount: 0 }) as unknown;
    } catch (error) {
      throw new PlatformError('template_unsafe', `${name}: ${describeError(error)}`);
    }
  });
}

/** JSON is YAML. Mappings come from settings and stores, never as something else in disguise. */
function writeValue(value: unknown): string {
  if (
    value === null ||
    typeof value !== 'object' ||
    Object.getPrototypeOf(value) !== Object.prototype
  )
    return writeScalar(value);
  const entries = Object.entries(value).map(
    // Within a mapping nothing can be a value; alone it is a value that was forgotten.
    ([key, inner]) => `${writeScalar(key)}: ${inner === null ? 'null' : writeValue(inner)}`,
  );
  return `{${entries.join(', ')}}`;
}

/** A JSON scalar is a YAML scalar, once everything YAML treats as a line break or hides is escaped. */
function writeScalar(value: unknown): string {
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (typeof value !== 'string')
    throw new PlatformError(
      'template_unsafe',
      `A template was given ${typeof value}, not a scalar or a mapping.`,
    );
  if (!value.isWellFormed())
    throw new PlatformError('template_unsafe', 'A text holds half of a Unicode character.');
  return JSON.stringify(value).replace(
    /[\u007f-\u00a0\u00ad\u2028\u2029\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff0-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function checkExpressions(name: string, program: hbs.AST.Program): void {
  const refuse = (line: number): never => {
    throw new PlatformError('template_unsafe', `${name}:${line}: only {{yaml …}} and {{#if …}}.`);
  };
  for (const statement of program.body) {
    const line = statement.loc.start.line;
    switch (statement.type) {
      case 'ContentStatement':
      case 'CommentStatement':
        break;
      case 'MustacheStatement': {
        const { path, params } = statement as hbs.AST.MustacheStatement;
        if ((path as hbs.AST.PathExpression).original !== 'yaml' || params.length !== 1)
          refuse(line);
        break;
      }
      case 'BlockStatement': {
        const block = statement as hbs.AST.BlockStatement;
        if (block.path.original !== 'if') refuse(line);
        checkExpressions(name, block.program);
        // The types say it is always there; without an {{else}} it is not.
        const inverse = block.inverse as hbs.AST.Program | undefined;
        if (inverse !== undefined) checkExpressions(name, inverse);
        break;
      }
      default:
        refuse(line);
    }
  }
}
