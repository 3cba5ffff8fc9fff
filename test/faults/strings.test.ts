/**
 * Row 13: any string through every user field to YAML. First by the way that requests take, which
 * lets few through; then past all checks into the store's own templates, which must not need them.
 */
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { CreateStore } from '../../control-plane/src/contract.ts';
import { DEFAULT_RULES } from '../../control-plane/src/domain/cluster.ts';
import { resolveCreate, type Offer } from '../../control-plane/src/domain/request.ts';
import type { StoreName, StoreSpec } from '../../control-plane/src/domain/store.ts';
import { createRandom } from '../../control-plane/src/forge/testing.ts';
import { createStoreRenderer } from '../../control-plane/src/render/store.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { exampleCluster } from '../support/example-cluster.ts';
import { exampleStore } from '../support/example-store.ts';
import { announceSeed, chooseRounds, tally } from './tally.ts';

const STRINGS = chooseRounds({ short: 4_000, full: 100_000 });
const REQUESTS = chooseRounds({ short: 500, full: 20_000 });
/** Strings in a store's options: reading a file costs more than what is in it. */
const OPTIONS = 20;

const AWKWARD = [
  'no', 'yes', 'on', 'off', 'null', '~', 'true', '1e3', '.inf', '0x1f', '0o17', '017', '1_000',
  '12:30:00', '2026-01-01', '---', '...', '- a', '? b', '&a', '*a', '!!str x', '!!binary', '# c',
  'a: b', 'a #b', '{{ x }}', '{{{x}}}', '{{yaml store.id}}', '{{/if}}', '<<', '=', '%YAML 1.1',
  '`', '@', '|', '>', '|-\n  x', "'", '"', '\\', '\\u0041', '\0', '\u0007', '\u001b', '\t', '\r\n',
  '\n', '\n\n', ' ', '', '\u0085', '\u00a0', '\u2028', '\u2029', '\ufeff', '\uffff', '\u200b',
  '\u202e', '😀', 'é', '__proto__', 'constructor', 'toString', '../..', '.git', '-rf', '$(x)',
  '${x}', '{{.Values}}', '[', ']', '{', '}', ',', ':', 'kind: Secret',
]; // prettier-ignore

const { engines, sources } = await loadTemplates();
const render = createStoreRenderer(
  sources,
  { repositoryUrl: 'http://git.example/shopyard.git', branch: 'main' },
  exampleCluster,
);

type Pick = () => string;

/** One to four pieces, awkward ones and any characters. */
function createPick(seed: number): Pick {
  const random = createRandom(seed);
  const piece = (): string =>
    random(10) < 7
      ? (AWKWARD[random(AWKWARD.length)] ?? '')
      : String.fromCodePoint(random(2) === 0 ? random(0xd7ff) : 0x10000 + random(0xffff));
  return () => Array.from({ length: 1 + random(4) }, piece).join(['', ' ', '\n', ': '][random(4)]);
}

/** The files that carry what a user said, parsed; each must be one document, by both YAMLs. */
function renderParsed(store: StoreSpec, context: string): Record<string, unknown>[] {
  const files = render(
    { action: 'create', store, operationId: 'op_1', at: new Date('2026-01-01T00:00:00Z') },
    null,
  );
  return files.map(({ content }) => {
    const text = Buffer.from(content ?? '').toString();
    const [one, other] = (['1.2', '1.1'] as const).map((version) => {
      const [document, ...more] = parseAllDocuments(text, { version, logLevel: 'silent' });
      if (document === undefined || more.length > 0 || document.errors.length !== 0)
        throw new Error(`not one document: ${context}\n${text}`);
      return document.toJS() as Record<string, unknown>;
    });
    if (!isDeepStrictEqual(one, other))
      throw new Error(`YAML 1.1 reads another: ${context}\n${text}`);
    return one ?? {};
  });
}

/** The paths of all that is in it, without what it says. */
function listKeys(value: unknown, at = ''): string[] {
  if (typeof value !== 'object' || value === null) return [at];
  return Object.entries(value).flatMap(([key, inner]) => listKeys(inner, `${at}/${key}`));
}

/** What is looked at in the files of a store. */
type Rendered = readonly [
  { metadata: { name: string }; spec: { project: string } },
  { metadata: { name: string; tenant: string }; spec: Record<string, unknown> },
  Record<string, unknown> & { store: { name: string } },
];

const pickValues = ({ plan, storagePlan, url }: Readonly<Record<string, string>>) => ({
  plan,
  storagePlan,
  url,
});

const listAllKeys = (files: readonly object[]): string =>
  files.flatMap((file) => listKeys(file)).join('\n');

test(
  'row 13: past every check, templates give back what went in, and nothing else',
  { timeout: 600_000 },
  ({ task }) => {
    const seed = announceSeed('strings');
    const pick = createPick(seed);
    const example = exampleStore();
    const options = Object.fromEntries(
      Array.from({ length: OPTIONS }, (_, index) => [`option_${index}`, 'x']),
    );
    const keys = listAllKeys(renderParsed({ ...example, options }, 'reference'));
    let strings = 0;
    for (let round = 0; strings < STRINGS; round += 1) {
      const options = Object.fromEntries(
        Array.from({ length: OPTIONS }, (_, index) => [`option_${index}`, pick()]),
      );
      const said = {
        name: pick() as StoreName,
        tenant: pick(),
        plan: pick(),
        storagePlan: pick(),
        host: pick(),
        url: pick(),
      };
      strings += Object.keys(said).length + Object.keys(options).length;
      const context = `seed ${seed}, round ${round}: ${JSON.stringify({ ...said, options })}`;
      const store: StoreSpec = { ...example, ...said, options };
      const files = renderParsed(store, context);
      if (listAllKeys(files) !== keys) throw new Error(`other keys than ever: ${context}`);
      const [application, intent, values] = files as [object, object, object] as Rendered;
      const { metadata, spec } = intent;
      const read = { ...said, ...values, ...spec, name: metadata.name, tenant: metadata.tenant };
      const same =
        isDeepStrictEqual(read, { ...read, ...said, options }) &&
        isDeepStrictEqual(values, { ...values, ...pickValues(said), options }) &&
        values.store.name === said.name &&
        application.metadata.name === `${example.tenantId}-${said.name}` &&
        application.spec.project === `tenant-${example.tenantId}`;
      if (!same) throw new Error(`not the same: ${context}\n${JSON.stringify(files, null, 1)}`);
    }
    tally(task, { done: `${strings} strings into a store's files`, seed });
  },
);

test(
  'row 13: by the way of a request, a string is refused by its field or comes out as it went in',
  { timeout: 600_000 },
  ({ task }) => {
    const seed = announceSeed('requested strings');
    const pick = createPick(seed + 1);
    const random = createRandom(seed + 2);
    const offer: Offer = {
      engines,
      clusters: [
        { ...DEFAULT_RULES, name: 'lab', baseDomain: 'localhost', scheme: 'http', port: 8088 },
      ],
    };
    const fields = ['name', 'type', 'plan', 'cluster', 'domain', 'tenant'] as const;
    /** Strings that have a chance: of the letters that names are made of. */
    const pickPlain: Pick = () =>
      Array.from({ length: 1 + random(12) }, () => 'abcxyz019-.no'[random(13)]).join('');
    let [refused, rendered] = [0, 0];
    for (let round = 0; round < REQUESTS; round += 1) {
      const field = fields[random(fields.length)] ?? 'name';
      const text = random(3) === 0 ? pick() : pickPlain();
      const option = random(8) === 0 ? { options: { currency: text } } : {};
      const body = { name: 'shop', type: 'woocommerce', ...option, [field]: text };
      const context = `seed ${seed}, round ${round}: ${JSON.stringify(body)}`;
      const asked = CreateStore.safeParse(JSON.parse(JSON.stringify(body)));
      const resolved = asked.success ? resolveCreate(asked.data, offer) : null;
      if (resolved?.ok !== true) {
        refused += 1;
        const named = asked.success
          ? (resolved?.errors ?? []).map((error) => error.field)
          : asked.error.issues.map((issue) => String(issue.path[0]));
        expect(named.length, context).toBeGreaterThan(0);
        for (const one of named)
          expect([field, 'options', 'options.currency'], context).toContain(one);
        continue;
      }
      rendered += 1;
      const { name, plan, host, url, options } = resolved.settings;
      const tenant = asked.data?.tenant ?? 'acme';
      const [, intent] = renderParsed(
        { ...exampleStore(), ...resolved.settings, storagePlan: plan, tenant },
        context,
      );
      expect(intent, context).toMatchObject({
        metadata: { name, tenant },
        spec: { plan, host, url, options },
      });
      expect({ name, tenant, domain: resolved.settings.domain }, context).toMatchObject({
        name: body.name,
        ...(field === 'tenant' ? { tenant: text } : {}),
        ...(field === 'domain' ? { domain: text } : {}),
      });
    }
    expect(rendered).toBeGreaterThan(REQUESTS / 100);
    tally(task, { done: `${refused} refused, ${rendered} rendered`, seed });
  },
);
