import { describe, expect, test } from 'vitest';
import { exampleStore } from '../../../test/support/example-store.ts';
import type { EngineCard } from './engine.ts';
import { code, text, writePullRequest, type ReviewedChange } from './review-text.ts';

const VERSION = exampleStore().chartVersion;
const engine: EngineCard = {
  type: 'woocommerce',
  title: 'WooCommerce',
  summary: '',
  chart: 'woocommerce',
  version: VERSION,
  plans: ['small', 'medium'],
  options: [],
  adminPath: '/wp-admin/',
  orders: true,
  planCards: [
    {
      name: 'small',
      replicas: 1,
      workers: 5,
      cpu: '2',
      memory: '512Mi',
      storage: '2Gi',
      quota: { cpu: '500m', memory: '1280Mi', storage: '4Gi' },
    },
    {
      name: 'medium',
      replicas: 1,
      workers: 12,
      cpu: '2',
      memory: '1Gi',
      storage: '15Gi',
      quota: { cpu: '1200m', memory: '2560Mi', storage: '30Gi' },
    },
  ],
};

const change = (changes: Partial<ReviewedChange>): ReviewedChange => ({
  kind: 'update',
  action: 'update',
  before: exampleStore(),
  after: exampleStore({ generation: 2 }),
  operationId: 'op_0001',
  requestedAt: new Date('2026-11-21T10:20:30Z'),
  requestedBy: { id: 'us_ada', name: 'Ada Lovelace' },
  mode: 'always',
  paths: [
    'clusters/lab/stores/33/abc123-shop/store.yaml',
    `clusters/lab/stores/33/abc123-shop/values-${VERSION}.yaml`,
  ],
  ...changes,
});

test('a change of plan: what, who, why, the difference, its cost, the files, and what follows', () => {
  const after = exampleStore({
    generation: 2,
    plan: 'medium',
    options: { ...exampleStore().options, theme: 'storefront' },
  });
  const written = writePullRequest(change({ after }), engine);
  expect(written.title).toBe('Change store shop of acme: plan small → medium, theme');
  expect(written.labels).toEqual(['shopyard', 'shopyard/update']);
  expect(written.body)
    .toBe(`**Ada Lovelace** asks to change the WooCommerce shop **shop** of tenant **acme** on cluster **lab**.

Argo CD will bring the running shop to these settings; its data stays.

**Why it is asked for:** every change on cluster lab is reviewed.

### What changes

|  | now | then |
| --- | --- | --- |
| plan | small | medium |
| theme | twentytwentyfive | storefront |

### Resources

|  | now | then | difference |
| --- | --- | --- | --- |
| web pods | 1 | 1 |  |
| processors (quota) | 500m | 1200m | +700m |
| memory (quota) | 1280Mi | 2560Mi | +1280Mi |
| volumes (quota) | 4Gi | 4Gi |  |

Its volumes keep the size of plan small, by which they were made.

### Files

- \`clusters/lab/stores/33/abc123-shop/store.yaml\`
- \`clusters/lab/stores/33/abc123-shop/values-${VERSION}.yaml\`

### What happens next

- **Merge it** (a merge commit, a squash or a rebase will do): Shopyard sees it and follows the change until Argo CD is done.
- **Close it without merging**: the change is rejected; the store stays as it is.
- When the branch moves on and touches these files, Shopyard rebuilds this one commit on the new tip. A newer change of the same store closes it.

<details><summary>Names and ids</summary>

|  |  |
| --- | --- |
| Store | \`st_aaaaaaaaaaaaaaaa\` |
| Operation | \`op_0001\` |
| Generation | 2 |
| Application | \`abc123-shop\` |
| Namespace | \`store-abc123-shop\` |
| Requested by | \`us_ada\` |
| Requested | 2026-11-21 10:20 UTC |

</details>
`);
});

test('a new store shows all that it will be, and what it takes', () => {
  const create = { kind: 'create', action: 'create', before: null, after: exampleStore() } as const;
  const { title, body } = writePullRequest(change(create), engine);
  expect(title).toBe('Create store shop of acme');
  expect(body).toContain('| plan | small |\n| address | http:\u2060//shop.localhost:8088 |');
  expect(body).toContain('| autoscale | no |');
  expect(body).toContain('| volumes (quota) | 0 | 4Gi | +4Gi |');
  expect(body).toContain('the store is not made');
  expect(body).not.toContain('kept until');
});

test('a delete says in bold that there is no way back, and what becomes free', () => {
  const gone = { kind: 'delete', action: 'release', mode: 'destructive' } as const;
  const { body, labels } = writePullRequest(change({ ...gone, after: exampleStore() }), engine);
  expect(labels).toContain('shopyard/destructive');
  expect(body).toContain('**Its workloads, volumes, Secrets and namespace are deleted');
  expect(body).toContain('cluster lab has changes reviewed that take something away.');
  expect(body).toContain('| processors (quota) | 500m | 0 | −500m |');
  expect(body).not.toContain('What changes');
});

test('a delete with retention says for how long one click brings it back', () => {
  const after = exampleStore({
    generation: 2,
    suspended: true,
    purgeAt: '2026-12-21T10:20:30.000Z',
  });
  const requestedAt = new Date('2026-12-07T10:20:30.000Z');
  const retire = { kind: 'delete', action: 'retire', after, requestedAt } as const;
  const { body } = writePullRequest(change(retire), engine);
  expect(body).toContain('its data is kept for **14 days** from the merge on.');
  expect(body).toContain('| suspended | no | yes |\n| kept until | – | 2026-12-21 10:20 UTC |');
  expect(body).toContain('| web pods | 1 | 0 | −1 |');
});

test('more than a tenant may have is said to be that', () => {
  const { body } = writePullRequest(change({ kind: 'create', mode: 'destructive' }), engine);
  expect(body).toContain('this is more than tenant acme may have.');
});

test('an engine that is no longer on offer has no numbers', () => {
  const { body } = writePullRequest(change({}), undefined);
  expect(body).not.toContain('### Resources');
  expect(body).toContain('the woocommerce shop');
});

describe('somebody’s words stay words', () => {
  test.each([
    ['*bold* _it_', '\\*bold\\* \\_it\\_'],
    ['[link](http://evil.test)', '\\[link\\](http:\u2060//evil.test)'],
    ['![x](y)', '!\\[x\\](y)'],
    ['<img src=x onerror=y>', '\\<img src=x onerror=y\\>'],
    ['@everyone, fixes #1', '@\u2060everyone, fixes \\#\u20601'],
    ['Fixes gh-1, closes GH-2', 'Fixes gh\u2060-1, closes GH\u2060-2'],
    ['closes !3', 'closes !\u20603'],
    ['high-5!', 'high-5!'],
    ['a | b', 'a \\| b'],
    ['line\n# heading\r\n', 'line \\#\u2060 heading'],
    ['`code`', '\\`code\\`'],
    ['&lt;b&gt;', '\\&lt;b\\&gt;'],
    ['www.evil.test', 'www\u2060.evil.test'],
    ['\u202eturned', 'turned'],
    ['nul\0', 'nul'],
    ['\ud800', '\ufffd'],
  ])('%j', (raw, written) => {
    expect(text(raw)).toBe(written);
  });

  test('what is long is cut', () => {
    expect(text('x'.repeat(5_000))).toHaveLength(200);
  });

  test('code ends where it should, whatever is in it', () => {
    expect(code('a`b')).toBe('``a`b``');
    expect(code('`')).toBe('`` ` ``');
    expect(code('a|b\nc')).toBe('`a¦b c`');
  });

  test('in a whole pull request', () => {
    const evil = '**x** | @all\n## closes #3 <script>';
    const after = exampleStore({ options: { ...exampleStore().options, theme: evil } });
    const written = writePullRequest(
      change({ after, requestedBy: { id: 'us_1', name: evil } }),
      engine,
    );
    expect(written.body).not.toMatch(/^## closes/m);
    expect(written.body).not.toContain('<script>');
    expect(written.body).not.toContain('@all');
    expect(written.title).not.toContain('closes');
  });
});
