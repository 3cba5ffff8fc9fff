/**
 * A WooCommerce store to its first order, in real pods: POST → ready → an order placed as a customer would, seen by the
 * platform, in the shop's own admin and by Prometheus; pods made anew keep it; a backup brings it back. Its number of pods follows the
 * load as metrics-server measures it. The tests are one story.
 *
 * Without the plugin in the image (archives/README.md) the store is a WordPress: the orders are skipped, and a post
 * stands in for one in the rest, a row of a table like WooCommerce's for one that is counted.
 */
import { request } from 'node:http';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { ports } from '../../bootstrap/lab/layout.ts';
import { OrderSummary, TestOrder, type Store } from '../../control-plane/src/contract.ts';
import { upgradeChart } from './chart-upgrade.ts';
import { startLabControlPlane, type LabControlPlane } from './control-plane.ts';
import { readSample, type Family } from '../support/exposition.ts';
import { kubectl, listObjects, readMetrics, readSecret, runJob, visit } from './lab.ts';

const story = Date.now().toString(36).slice(-4);
const NO_PLUGIN =
  'WooCommerce is not in the image: it is built with the plugin when WOOCOMMERCE_ZIP names its archive';

/** What metrics-server tells of pods. */
const PodFigures = z.object({
  items: z.array(
    z.object({
      containers: z.array(
        z.object({
          name: z.string(),
          usage: z.object({ cpu: z.string(), memory: z.string().regex(/^[1-9]/) }),
        }),
      ),
    }),
  ),
});

let controlPlane: LabControlPlane;
let store: Store;
let host: string;
let isShop = false;
/** What must survive: an order's number, or a post's. */
let kept: string;

beforeAll(async () => {
  controlPlane = await startLabControlPlane(9_803);
});

afterAll(() => controlPlane.stop());

/** Runs PHP inside the shop's WordPress; what it prints. */
async function wordpress(code: string): Promise<string> {
  const load = `require '/opt/shopyard/wordpress.php'; pretend_request(); require '/usr/src/wordpress/wp-load.php';`;
  return kubectl(
    'exec', '-n', store.namespace, 'deployment/web', '-c', 'wordpress', '--', 'php', '-r', `${load} ${code}`,
  ); // prettier-ignore
}

async function readOrders(): Promise<OrderSummary> {
  const answer = await controlPlane.api.call('GET', `/api/stores/${store.id}/orders`);
  expect(answer.status).toBe(200);
  const orders = OrderSummary.parse(answer.body);
  expect(orders.problem).toBeNull();
  return orders;
}

async function isKept(): Promise<boolean> {
  if (isShop) return (await readOrders()).recent.some(({ number }) => number === kept);
  return (await wordpress(`echo get_post_status(${kept}) ?: 'gone';`)) === 'publish';
}

/** One request of a browser that keeps its cookies. */
function browse(
  cookies: Map<string, string>,
  path: string,
  form?: Readonly<Record<string, string>>,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: ports.ingress,
        path,
        method: form === undefined ? 'GET' : 'POST',
        headers: {
          host,
          cookie: [...cookies.values()].join('; '),
          ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
        },
        timeout: 30_000,
      },
      (response) => {
        for (const cookie of response.headers['set-cookie'] ?? []) {
          const pair = cookie.split(';', 1)[0] ?? '';
          cookies.set(pair.split('=', 1)[0] ?? '', pair);
        }
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (body += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`${path} does not answer`)));
    sent.on('error', reject);
    sent.end(form === undefined ? undefined : new URLSearchParams(form).toString());
  });
}

test('a store from POST to ready', async () => {
  controlPlane.diagnoseOnFailure();
  const { api } = controlPlane;
  const startedAt = Date.now();
  const created = await api.create({
    name: `woo-${story}`,
    type: 'woocommerce',
    options: { currency: 'CHF', country: 'CH', autoscale: true },
  });
  store = await api.waitFor(created.store.id, 'ready', ({ status }) => status === 'ready');
  host = new URL(store.url).host;
  const stages = (await api.readStages(store.id)).map(
    ({ stage, startedAt: at }) => `${stage} ${((Date.parse(at) - startedAt) / 1000).toFixed(1)} s`,
  );
  console.log(`${store.name}: ${stages.join(', ')}`);
  console.log(await kubectl('logs', 'job/setup', '-n', store.namespace));
  await vi.waitFor(
    async () => expect((await visit(new URL(store.url).hostname)).status).toBe(200),
    { timeout: 30_000 },
  );
  isShop = (await wordpress(`echo class_exists('WooCommerce') ? 'yes' : 'no';`)) === 'yes';
  if (!isShop) console.log(`SKIPPED, the order: ${NO_PLUGIN}`);
});

test('its autoscaler reads how much CPU its web pods use', async () => {
  controlPlane.diagnoseOnFailure();
  const inNamespace = ['-n', store.namespace];
  const startedAt = Date.now();
  await vi.waitFor(
    async () => {
      const [autoscaler] = await listObjects('horizontalpodautoscalers', ...inNamespace);
      expect(autoscaler).toMatchObject({
        status: {
          conditions: expect.arrayContaining([
            expect.objectContaining({ type: 'ScalingActive', status: 'True' }),
          ]) as unknown,
          currentMetrics: [
            { resource: { name: 'cpu', current: { averageValue: expect.any(String) as unknown } } },
          ],
        },
      });
    },
    { timeout: 60_000, interval: 500 },
  );
  console.log(`figures ${((Date.now() - startedAt) / 1000).toFixed(1)} s after it was ready`);
  const api = `/apis/metrics.k8s.io/v1beta1/namespaces/${store.namespace}/pods`;
  const component = 'labelSelector=app.kubernetes.io%2Fcomponent%3Dweb';
  const { items } = PodFigures.parse(
    JSON.parse(await kubectl('get', '--raw', `${api}?${component}`)),
  );
  expect(items.map(({ containers }) => containers.map(({ name }) => name))).toContainEqual([
    'wordpress',
  ]);
  console.log(await kubectl('top', 'pods', ...inNamespace));
});

test('its front page is the shop, and a sample product has a page and a picture', async (context) => {
  if (!isShop) context.skip(NO_PLUGIN);
  controlPlane.diagnoseOnFailure();
  const { hostname } = new URL(store.url);
  const front = await visit(hostname);
  expect(front.body).toContain('Stoneware mug');
  const product = await visit(hostname, '/product/stoneware-mug/');
  expect(product.status).toBe(200);
  expect(product.body).toContain('single_add_to_cart_button');
  const picture =
    /\/wp-content\/uploads\/[^"' ]+sample-mug[^"' ]*\.png/.exec(product.body)?.[0] ?? '';
  expect((await visit(hostname, picture)).status).toBe(200);
});

test('a test order is placed, paid on delivery, in the shop’s own currency', async (context) => {
  if (!isShop) context.skip(NO_PLUGIN);
  controlPlane.diagnoseOnFailure();
  const answer = await controlPlane.api.call('POST', `/api/stores/${store.id}/test-order`);
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  const order = TestOrder.parse(answer.body);
  kept = order.number;
  expect(order.total).toBeGreaterThan(0);
  expect(order.currency).toBe('CHF');
  const orders = await readOrders();
  expect(orders.recent).toEqual([
    expect.objectContaining({ number: kept, status: 'processing', total: order.total }),
  ]);
  console.log(`order ${order.number}: ${order.total} ${order.currency}, processing`);
});

test('the merchant sees the order in the shop’s admin, with the login that the store was given', async (context) => {
  if (!isShop) context.skip(NO_PLUGIN);
  controlPlane.diagnoseOnFailure();
  const login = await readSecret('store-admin', store.namespace);
  const cookies = new Map<string, string>();
  await browse(cookies, '/wp-login.php');
  const entered = await browse(cookies, '/wp-login.php', {
    log: login['username'] ?? '',
    pwd: login['password'] ?? '',
    testcookie: '1',
  });
  expect(entered.status).toBe(302);
  const page = await browse(cookies, '/wp-admin/admin.php?page=wc-orders');
  expect(page.status).toBe(200);
  const row = new RegExp(`id="order-${kept}".*?</tr>`, 's').exec(page.body)?.[0] ?? '';
  expect(row).toContain(`#${kept}`);
  expect(row).toContain('status-processing');
});

test('without the plugin a post stands in for the order', async (context) => {
  if (isShop) context.skip('there is an order');
  kept = await wordpress(
    `echo wp_insert_post(['post_title' => 'Kept', 'post_content' => 'Kept', 'post_status' => 'publish']);`,
  );
  expect(kept).toMatch(/^\d+$/);
});

test('without the plugin a row of a table like its own is counted', async (context) => {
  if (isShop) context.skip('there is an order');
  // As WooCommerce 10.5 makes it, of its columns those that are asked for.
  const columns = `id bigint unsigned, status varchar(20) null, type varchar(20) null,
    date_created_gmt datetime null, PRIMARY KEY (id), KEY type_status_date (type, status, date_created_gmt)`;
  await wordpress(
    `update_option('woocommerce_custom_orders_table_enabled', 'yes');
     $wpdb->query('CREATE TABLE wp_wc_orders (${columns})');
     $wpdb->query("INSERT INTO wp_wc_orders VALUES (1, 'wc-processing', 'shop_order', now()), (2, 'trash', 'shop_order', now())");`,
  );
});

test('Prometheus is told of the order, the workers and the connections, and visitors are not', async () => {
  controlPlane.diagnoseOnFailure();
  const { hostname } = new URL(store.url);
  const readErrors = (pods: readonly (readonly Family[])[]): number =>
    pods.reduce((sum, one) => sum + readSample(one, 'shopyard_store_php_fatal_errors_total'), 0);
  const before = await readMetrics(store, 'web');
  expect(before).not.toEqual([]);
  for (const families of before) {
    const read = (...of: [name: string, labels?: string]) => readSample(families, ...of);
    expect(read('shopyard_store_orders', 'status="processing"')).toBe(1);
    expect(read('shopyard_store_orders', 'status="other"')).toBe(0);
    expect(read('shopyard_store_php_workers_limit')).toBe(5);
    expect(read('shopyard_store_php_workers', 'state="busy"')).toBeLessThan(5);
    expect(read('shopyard_store_database_up')).toBe(1);
    expect(read('shopyard_store_database_connections')).toBeGreaterThan(0);
    expect(read('shopyard_store_database_connections_limit')).toBe(30);
  }
  // A file of WordPress's that is none to open: PHP gives up.
  expect((await visit(hostname, '/wp-includes/rss.php')).status).toBe(500);
  expect(readErrors(await readMetrics(store, 'web'))).toBe(readErrors(before) + 1);
  for (const path of ['/metrics', '/metrics.php', '/server-status?auto']) {
    const { status, body } = await visit(hostname, path);
    expect([path, status]).toEqual([path, 404]);
    expect(body).not.toMatch(/shopyard_store_|BusyWorkers/);
  }
});

test('every pod made anew, and it is still there', async () => {
  controlPlane.diagnoseOnFailure();
  const inNamespace = ['-n', store.namespace];
  const Pod = z.object({ metadata: z.object({ uid: z.string() }) });
  const readUids = async (): Promise<string[]> =>
    z
      .array(Pod)
      .parse(await listObjects('pods', ...inNamespace))
      .map(({ metadata }) => metadata.uid);
  const before = await readUids();
  await kubectl('delete', 'pods', '--all', '--wait', ...inNamespace);
  await kubectl('rollout', 'status', 'statefulset/database', '--timeout=120s', ...inNamespace);
  await kubectl('rollout', 'status', 'deployment/web', '--timeout=120s', ...inNamespace);
  const after = await readUids();
  expect(after.filter((uid) => before.includes(uid))).toEqual([]);
  await vi.waitFor(async () => expect(await isKept()).toBe(true), { timeout: 60_000 });
});

test('deleted after a backup, it is back after a restore, and so are the shop’s files', async () => {
  controlPlane.diagnoseOnFailure();
  const uploads = '/usr/src/wordpress/wp-content/uploads';
  const inWeb = (...command: string[]): Promise<string> =>
    kubectl('exec', '-n', store.namespace, 'deployment/web', '-c', 'wordpress', '--', ...command);
  await inWeb('sh', '-c', `echo kept > ${uploads}/kept.txt`);
  console.log(await runJob('backup', store.namespace));

  await wordpress(
    isShop ? `wc_get_order(${kept})->delete(true);` : `wp_delete_post(${kept}, true);`,
  );
  await inWeb('rm', `${uploads}/kept.txt`);
  expect(await isKept()).toBe(false);

  console.log(await runJob('restore', store.namespace));
  expect(await isKept()).toBe(true);
  expect(await inWeb('cat', `${uploads}/kept.txt`)).toBe('kept\n');
});

test('a new version of the chart keeps it, too', async () => {
  controlPlane.diagnoseOnFailure();
  await upgradeChart(controlPlane, store);
  await vi.waitFor(async () => expect(await isKept()).toBe(true), { timeout: 60_000 });
});

test('the store goes', async () => {
  controlPlane.diagnoseOnFailure();
  const { api } = controlPlane;
  await api.delete(store.id);
  await api.waitFor(store.id, 'deleted', ({ status }) => status === 'deleted');
});
