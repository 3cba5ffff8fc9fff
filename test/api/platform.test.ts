/** Tokens, readiness, metrics, and the API's own description held to what it answers. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import {
  Accepted,
  CreateStore,
  Readiness,
  SignInOptions,
  TokenAnswer,
} from '../../control-plane/src/contract.ts';
import { openDatabase } from '../../control-plane/src/db/open.ts';
import { ensureBootstrapToken } from '../../control-plane/src/db/tokens.ts';
import { DEFAULT_RULES } from '../../control-plane/src/domain/cluster.ts';
import { createIds } from '../../control-plane/src/domain/ids.ts';
import { listen } from '../../control-plane/src/http/serve.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { BOOTSTRAP, startApi, type Api, type Reply } from './support.ts';

let api: Api;
const probe = { fails: false };
beforeAll(async () => {
  api = await startApi({
    probes: [
      {
        name: 'writer',
        check: () => {
          if (probe.fails) throw new Error('The remote does not answer.');
        },
      },
    ],
  });
});
afterAll(() => api.close());

describe('tokens', () => {
  beforeAll(() => api.token('owner', 'acme'));

  test('a token made for a tenant works until it is revoked', async () => {
    const made = await api.request('POST', '/api/tokens', {
      body: { name: 'ci of acme', role: 'member', tenant: 'acme', expiresInDays: 1 },
    });
    expect(made.status).toBe(201);
    const answer = TokenAnswer.strict().parse(made.body);
    expect(answer.token).toMatch(/^shop_[\w-]{43}$/);
    const row = await api.db
      .selectFrom('tokens')
      .selectAll()
      .where('id', '=', answer.id)
      .executeTakeFirstOrThrow();
    expect(JSON.stringify(row)).not.toContain(answer.token);
    const list = () => api.request('GET', '/api/stores', { token: answer.token });
    expect((await list()).status).toBe(200);
    expect((await api.request('DELETE', `/api/tokens/${answer.id}`)).status).toBe(204);
    api.advance(5000);
    expect((await list()).status).toBe(401);
    expect((await api.request('DELETE', `/api/tokens/${answer.id}`)).status).toBe(404);
  });

  test('one past its day is refused', async () => {
    const made = await api.request('POST', '/api/tokens', {
      body: { name: 'short', role: 'viewer', tenant: 'acme', expiresInDays: 1 },
    });
    const { token } = TokenAnswer.parse(made.body);
    expect((await api.request('GET', '/api/stores', { token })).status).toBe(200);
    api.advance(24 * 3_600_000 + 5000);
    expect((await api.request('GET', '/api/stores', { token })).status).toBe(401);
  });

  test.each([
    ['role', { role: 'root' }],
    ['role', { role: 'operator', tenant: 'acme' }],
    ['name', { name: '' }],
    ['name', { name: 'a\0b' }],
    ['tenant', { tenant: 'A' }],
    ['tenant', { tenant: 'not-there' }],
    ['expiresInDays', { expiresInDays: 0 }],
    ['hash', { hash: 'x' }],
  ])('refuses %s: %j', async (field, fields) => {
    const reply = await api.request('POST', '/api/tokens', {
      body: { name: 'fine', role: 'viewer', ...fields },
    });
    expect(reply.status, reply.text).toBe(422);
    expect(reply.body).toMatchObject({ errors: [{ field }] });
  });

  test('takes no Idempotency-Key: its answer is kept nowhere', async () => {
    const reply = await api.request('POST', '/api/tokens', {
      body: { name: 'fine', role: 'viewer' },
      headers: { 'Idempotency-Key': 'k' },
    });
    expect(reply.status).toBe(400);
    expect(reply.body).toMatchObject({ code: 'idempotency_key_unsupported' });
  });
});

describe('the bootstrap token', () => {
  test('eight starts at once make one; another value later adds nothing', async () => {
    const database = await createTestDatabase();
    const others = Array.from({ length: 4 }, () => openDatabase(database.url, { poolSize: 2 }));
    try {
      const outcomes = await Promise.all(
        [...others, ...others].map((db) => ensureBootstrapToken(db, BOOTSTRAP, createIds())),
      );
      expect(outcomes.filter((one) => one === 'created')).toHaveLength(1);
      expect(outcomes.filter((one) => one === 'present')).toHaveLength(7);
      const ids = createIds();
      expect(await ensureBootstrapToken(database.db, 'another-value-altogether', ids)).toBe(
        'ignored',
      );
      const tokens = await database.db.selectFrom('tokens').selectAll().execute();
      expect(tokens).toHaveLength(1);
      expect(tokens[0]).toMatchObject({ role: 'operator', name: 'bootstrap' });
    } finally {
      await Promise.all(others.map((db) => db.destroy()));
      await database.close();
    }
  });
});

describe('readiness', () => {
  /** In the end: a check that takes more than two seconds is red. */
  const expectReady = (at: Api): Promise<Readiness> =>
    vi.waitFor(async () => {
      const reply = await at.request('GET', '/readyz', { token: null });
      expect(reply.status, reply.text).toBe(200);
      return Readiness.parse(reply.body);
    }, 30_000);

  test('names each check, and the one that fails', async () => {
    const good = await expectReady(api);
    expect(good).toEqual({
      ready: true,
      checks: [
        { name: 'database', ready: true, message: null },
        { name: 'writer', ready: true, message: null },
      ],
    });
    probe.fails = true;
    const bad = await api.request('GET', '/readyz', { token: null });
    probe.fails = false;
    expect(bad.status).toBe(503);
    expect(Readiness.parse(bad.body).checks).toContainEqual({
      name: 'writer',
      ready: false,
      message: 'The remote does not answer.',
    });
  });

  test('what it can do without for a while is red and changes nothing else', async () => {
    const away = () => {
      throw new Error('The cluster has said nothing for an hour.');
    };
    const other = await startApi({ probes: [{ name: 'watch', vital: false, check: away }] });
    onTestFinished(() => other.close());
    expect(await expectReady(other)).toMatchObject({
      ready: true,
      checks: [
        { name: 'database', ready: true },
        { name: 'watch', ready: false, message: 'The cluster has said nothing for an hour.' },
      ],
    });
  });

  test('without the database: alive, not ready, 503 for the rest', async () => {
    const lonely = await startApi();
    await lonely.db.destroy();
    try {
      expect((await lonely.request('GET', '/healthz')).status).toBe(200);
      const ready = await lonely.request('GET', '/readyz');
      expect(ready.status).toBe(503);
      expect(Readiness.parse(ready.body).checks[0]).toEqual({
        name: 'database',
        ready: false,
        message: 'The database cannot be reached.',
      });
      const list = await lonely.request('GET', '/api/stores');
      expect(list.status).toBe(503);
      expect(list.body).toMatchObject({ code: 'database_unavailable' });
      expect(list.headers.get('Retry-After')).toBe('2');
      const metrics = await lonely.request('GET', '/metrics');
      expect(metrics.status).toBe(200);
    } finally {
      await lonely.close();
    }
  });
});

test('metrics: requests by template, stores by status, refused creates by reason', async () => {
  const { text, headers } = await api.inOneMoment(async () => {
    await api.request('POST', '/api/stores', { body: { name: 'counted', type: 'woocommerce' } });
    await api.request('POST', '/api/stores', { body: { name: 'Not', type: 'woocommerce' } });
    await api.request('GET', '/api/stores/st_aaaaaaaaaaaaaaaa');
    api.advance(6000);
    return api.request('GET', '/metrics', { token: null });
  });
  expect(headers.get('Content-Type')).toContain('text/plain');
  expect(text).toContain('stores_total{status="provisioning",type="woocommerce"} 1');
  expect(text).toContain('stores_total{status="failed",type="woocommerce"} 0');
  expect(text).toContain('store_creation_errors_total{code="invalid_request"} 1');
  expect(text).toMatch(
    /http_request_duration_seconds_count\{method="GET",route="\/api\/stores\/:id",status="404"\} 1/,
  );
  expect(text).toContain('queue_operations{state="blocked"} 1');
  expect(text).toContain('queue_operations{state="queued"} 0');
  expect(text).toContain('queue_oldest_seconds{state="blocked"} 6\n');
  expect(text).toContain('stores_stuck{status="provisioning"} 0');
  expect(text).toContain('cluster_stores{cluster="lab"} 1');
  expect(text).toContain('cluster_silence_seconds{cluster="lab"} +Inf');
  expect(text).toContain('check_ready{check="database"} 1');
  expect(text).toContain('sse_clients 0');
  expect(text).toContain('# TYPE provisioning_duration_seconds histogram');
  expect(text).not.toContain('st_aaaaaaaaaaaaaaaa');
});

type Document = {
  readonly openapi: string;
  readonly paths: Record<
    string,
    Record<
      string,
      {
        readonly operationId: string;
        readonly security: unknown[];
        readonly parameters: { readonly name: string; readonly in: string }[];
        readonly responses: Record<
          string,
          {
            readonly description: string;
            readonly content?: Record<string, { readonly schema?: { readonly $ref: string } }>;
          }
        >;
      }
    >
  >;
  readonly components: { readonly schemas: Record<string, object> };
};

describe('OpenAPI', () => {
  let document: Document;
  beforeAll(async () => {
    const reply = await api.request('GET', '/api/openapi.json', { token: null });
    document = reply.body as unknown as Document;
  });

  test('describes each route once, with its path’s parameters, and every reference resolves', () => {
    expect(document.openapi).toBe('3.1.0');
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.sort()).toEqual(api.routes.map((one) => `${one.method} ${one.path}`).sort());
    const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
    expect(new Set(operations.map((one) => one.operationId)).size).toBe(operations.length);
    for (const [path, methods] of Object.entries(document.paths))
      for (const operation of Object.values(methods))
        expect(
          operation.parameters.filter((one) => one.in === 'path').map((one) => `{${one.name}}`),
        ).toEqual(path.match(/\{\w+\}/g) ?? []);
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(
      ([, target]) => target ?? '',
    );
    expect(references.length).toBeGreaterThan(20);
    for (const target of references) {
      expect(target).toMatch(/^#\/components\/schemas\/\w+$/);
      expect(document.components.schemas).toHaveProperty(target.split('/').at(-1) ?? '');
    }
  });

  test('says what each of a create’s two answers means', () => {
    const { responses } = document.paths['/api/stores']?.['post'] ?? {};
    expect(responses?.['202']?.description).toMatch(/^Recorded/);
    expect(responses?.['200']?.description).toMatch(/^It was there already/);
  });

  /** Holds an answer to what the document says of its route and status. */
  function hold(method: string, path: string, reply: Reply): void {
    const response = document.paths[path]?.[method.toLowerCase()]?.responses[String(reply.status)];
    expect(response, `${method} ${path} → ${reply.status} is not described`).toBeDefined();
    const type = (reply.headers.get('Content-Type') ?? '').split(';')[0] ?? '';
    const schema = response?.content?.[type]?.schema;
    expect(schema, `${type} is not described`).toBeDefined();
    const name = schema?.$ref.split('/').at(-1) ?? '';
    // The document's own schema, with what it refers to, read by another reader than made it.
    const validator = z.fromJSONSchema({
      ...document.components.schemas[name],
      $defs: document.components.schemas,
    } as unknown as Parameters<typeof z.fromJSONSchema>[0]);
    const check = validator.safeParse(reply.body);
    expect(check.error?.issues ?? [], `${method} ${path} → ${reply.status}`).toEqual([]);
  }

  test('real answers are as described', async () => {
    document = JSON.parse(
      JSON.stringify(document).replaceAll('"$ref":"#/components/schemas/', '"$ref":"#/$defs/'),
    ) as Document;
    const ask = async (
      method: string,
      path: string,
      id = '',
      body?: unknown,
      token = BOOTSTRAP,
    ) => {
      const reply = await api.request(method, path.replace('{id}', id), { body, token });
      hold(method, path, reply);
      return reply;
    };
    const made = await ask('POST', '/api/stores', '', { name: 'shown', type: 'woocommerce' });
    expect(made.status).toBe(202);
    const { store } = Accepted.parse(made.body);
    for (const path of [
      '/api/stores/{id}',
      '/api/stores/{id}/health',
      '/api/stores/{id}/operations',
    ])
      expect((await ask('GET', path, store.id)).status).toBe(200);
    expect((await ask('GET', '/api/stores')).status).toBe(200);
    expect((await ask('POST', '/api/stores', '', { name: 'X' })).status).toBe(422);
    expect((await ask('GET', '/api/stores/{id}', 'st_aaaaaaaaaaaaaaaa')).status).toBe(404);
    expect((await ask('GET', '/api/stores', '', undefined, 'shop_wrong')).status).toBe(401);
    expect((await ask('PATCH', '/api/stores/{id}', store.id, { plan: 'large' })).status).toBe(202);
    expect((await ask('POST', '/api/stores/{id}/retry', store.id)).status).toBe(202);
    expect((await ask('DELETE', '/api/stores/{id}', store.id)).status).toBe(202);
    expect((await ask('PATCH', '/api/stores/{id}', store.id, { plan: 'small' })).status).toBe(409);
    expect((await ask('GET', '/readyz')).status).toBe(200);
    const token = await ask('POST', '/api/tokens', '', { name: 'doc', role: 'viewer' });
    expect(token.status).toBe(201);
    const denied = await ask(
      'POST',
      '/api/stores',
      '',
      { name: 'shown', type: 'woocommerce' },
      TokenAnswer.parse(token.body).token,
    );
    expect(denied.status).toBe(403);
  });

  test('the page for people has every route and nothing from elsewhere', async () => {
    const { text, headers } = await api.request('GET', '/api/docs', { token: null });
    expect(headers.get('Content-Type')).toBe('text/html; charset=utf-8');
    for (const one of api.routes) expect(text).toContain(`${one.method} ${one.path}`);
    expect(text).not.toMatch(/<script|<link|src=|href="(?!\/api\/|#)|@import|url\(/);
    const create = text.slice(text.indexOf('POST /api/stores'));
    const [section = ''] = create.split('</section>');
    // What to send, an example that can be sent, what comes back.
    expect(section).toMatch(/Body.*<code>name<\/code> <small>text<\/small>.*Example/s);
    expect(section).toContain(`curl -X POST &#34;${api.url}/api/stores&#34;`);
    const example = /-d &#39;(.*)&#39;/.exec(section)?.[1]?.replaceAll('&#34;', '"') ?? '';
    expect(CreateStore.parse(JSON.parse(example))).toMatchObject({ type: 'woocommerce' });
    expect(section).toContain('store: <a href="#schema-Store">Store</a>');
    expect(headers.get('Content-Security-Policy')).toMatch(
      /default-src 'none'; style-src 'sha256-/,
    );
  });
});

describe('that no shop runs is said to those who are not signed in', () => {
  const ask = async (options: Parameters<typeof startApi>[0]) => {
    const own = await startApi({ databaseUrl: api.databaseUrl, ...options });
    try {
      const { practice } = SignInOptions.parse(
        (await own.request('GET', '/api/sign-in', { token: null })).body,
      );
      const { text } = await own.request('GET', '/api/docs', { token: null });
      return { practice, docs: text.includes('Practice cluster') };
    } finally {
      await own.close();
    }
  };

  test('where the only cluster is a practice one', async () => {
    expect(await ask({ clusterKind: 'practice' })).toEqual({ practice: true, docs: true });
  });

  test('not where a cluster runs shops', async () => {
    expect(await ask({ clusterKind: 'kubeconfig' })).toEqual({ practice: false, docs: false });
    const rest = { ...DEFAULT_RULES, scheme: 'http', port: 8088, argocdUrl: null } as const;
    const clusters = [
      { ...rest, name: 'one', baseDomain: 'one.test', kind: 'practice' },
      { ...rest, name: 'two', baseDomain: 'two.test', kind: 'kubeconfig' },
    ] as const;
    expect(await ask({ clusters })).toEqual({ practice: false, docs: false });
  });
});

test('a port that is taken is told in one sentence', async () => {
  const port = Number(new URL(api.url).port);
  await expect(listen(() => undefined, { host: '127.0.0.1', port })).rejects.toMatchObject({
    code: 'port_taken',
    message: `Port ${port} on 127.0.0.1 is taken.`,
  });
});
