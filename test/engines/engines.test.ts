/**
 * An engine is a folder and a chart. A third one is put beside the two (toy, toy-chart) and goes
 * all the way: offered, asked for by the form's fields, previewed, made, changed, ordered from. Nothing
 * else was told of it; that nothing else names an engine is read from the sources.
 */
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { Accepted, EngineList, Preview } from '../../control-plane/src/contract.ts';
import { createShops } from '../../control-plane/src/orders/shops.ts';
import { loadTemplates, TOP, type Templates } from '../../control-plane/src/templates.ts';
import { readCreateRequest } from '../../portal/src/lib/create-request.ts';
import { fillFields } from '../../portal/src/lib/option-fields.ts';
import { startApi, type Api } from '../api/support.ts';
import { sendJson, startShopServer } from '../reads/shop-server.ts';

let top: string;
let templates: Templates;
let api: Api;

/** A checkout with one more engine. */
async function addToy(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'shopyard-engines-'));
  for (const part of ['templates/manifests', 'templates/engines', 'templates/charts', 'clusters'])
    await cp(join(TOP, part), join(folder, part), { recursive: true });
  // What the engines' own modules import.
  for (const part of ['control-plane', 'node_modules'])
    await symlink(join(TOP, part), join(folder, part));
  await cp(join(import.meta.dirname, 'toy'), join(folder, 'templates/engines/toy'), {
    recursive: true,
  });
  await cp(join(import.meta.dirname, 'toy-chart'), join(folder, 'templates/charts/toy'), {
    recursive: true,
  });
  return folder;
}

beforeAll(async () => {
  top = await addToy();
  templates = await loadTemplates(top);
  api = await startApi({ templates });
});
afterAll(async () => {
  await api.close();
  await rm(top, { recursive: true });
});

async function readOffer() {
  const { engines } = EngineList.parse((await api.request('GET', '/api/engines')).body);
  const toy = engines.find(({ type }) => type === 'toy');
  if (toy === undefined) throw new Error('no toy on offer');
  return { engines, toy };
}

describe('a third engine', () => {
  test('is on offer, after the others, with its plans and options', async () => {
    const { engines, toy } = await readOffer();
    expect(engines.map(({ type }) => type)).toEqual(['woocommerce', 'medusa', 'toy']);
    expect(toy).toMatchObject({
      title: 'Toy',
      orders: true,
      plans: [{ name: 'tiny', cpu: '100m', memory: '64Mi', storage: '1Gi' }],
    });
    expect(toy.options.map(({ name, kind }) => [name, kind])).toEqual([
      ['colour', 'choice'],
      ['motto', 'text'],
      ['wooden', 'flag'],
    ]);
  });

  test('by the form’s fields: previewed, made, and rendered by its own template', async () => {
    const { toy } = await readOffer();
    const fields = fillFields('toy', toy.options, { 'option.toy.motto': 'to be sold' });
    const asked = readCreateRequest({ name: 'shelf', type: 'toy', plan: 'tiny', ...fields });
    expect(asked).toMatchObject({
      options: { colour: 'red', motto: 'to be sold', wooden: true },
    });

    const reply = await api.request('POST', '/api/stores/preview', { body: asked });
    expect(reply.status, reply.text).toBe(200);
    const { files } = Preview.parse(reply.body);
    const read = (name: RegExp): unknown =>
      parse(files.find(({ path }) => name.test(path))?.after ?? '');
    expect(read(/values-2\.3\.4\.yaml$/)).toEqual({
      shelf: 'shelf',
      plan: 'tiny',
      address: 'http://shelf.localhost:8088',
      colour: 'red',
      options: { colour: 'red', motto: 'to be sold', wooden: true },
    });
    expect(read(/\/store\.yaml$/)).toMatchObject({
      spec: { type: 'toy', chart: 'toy', chartVersion: '2.3.4', options: { motto: 'to be sold' } },
    });
    expect(read(/^clusters\/lab\/apps\//)).toMatchObject({
      spec: { source: { path: 'charts/toy/2.3.4' } },
    });

    const made = await api.request('POST', '/api/stores', { body: asked });
    expect(made.status, made.text).toBe(202);
    const { id } = Accepted.parse(made.body).store;
    const changed = await api.request('PATCH', `/api/stores/${id}`, {
      body: { options: { colour: 'blue' } },
    });
    expect(changed.body).toMatchObject({ store: { options: { colour: 'blue' } } });
    const refused = await api.request('PATCH', `/api/stores/${id}`, {
      body: { options: { wooden: false, motto: 'LOUD' } },
    });
    expect(refused.body).toMatchObject({
      status: 422,
      errors: [
        { field: 'options.motto', message: 'A few words in small letters.' },
        {
          field: 'options.wooden',
          message: 'Wooden is decided when the store is made. It is glued.',
        },
      ],
    });
  });

  test('its chart is published like the others', () => {
    const chart = templates.charts.find(({ name }) => name === 'toy');
    expect([...(chart?.files.keys() ?? [])].sort()).toEqual([
      'Chart.yaml',
      'plans.yaml',
      'templates/shelf.yaml',
    ]);
  });

  test('its own adapter asks its shops', async () => {
    const server = await startShopServer((request, response) => {
      if (request.method === 'GET') sendJson(response, 200, [{ number: '1', total: '2.00' }]);
      else sendJson(response, 201, { number: '2', total: '3.00' });
    });
    const shops = createShops({
      adapters: templates.adapters,
      ingressUrl: server.url,
      clock: () => new Date(),
    });
    const shop = {
      type: 'toy',
      url: 'http://shelf.localhost',
      credentials: {},
      options: { colour: 'red' },
    };
    expect(await shops.listOrders(shop, new Date(0))).toMatchObject({
      orders: [{ number: '1', total: '2.00' }],
    });
    expect(await shops.placeTestOrder(shop)).toEqual({
      number: '2',
      total: '3.00',
      currency: 'EUR',
    });
    await server.close();
  });
});

test.each(['control-plane/src', 'portal/src', 'bootstrap/practice'])(
  'no source in %s names an engine',
  async (folder) => {
    const { engines } = await loadTemplates();
    const names = new RegExp(engines.flatMap(({ type, title }) => [type, title]).join('|'), 'i');
    const entries = await readdir(join(TOP, folder), { recursive: true, withFileTypes: true });
    const sources = entries
      .filter((entry) => entry.isFile() && /(?<!\.test)\.(ts|svelte)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name));
    expect(sources.length).toBeGreaterThan(5);
    const found: string[] = [];
    for (const path of sources) {
      const lines = (await readFile(path, 'utf8')).split('\n');
      const at = lines.findIndex((line) => names.test(line));
      if (at !== -1) found.push(`${path}:${at + 1}: ${lines[at]?.trim() ?? ''}`);
    }
    expect(found).toEqual([]);
  },
);

describe('a folder with something wrong in it says what', () => {
  test.each([
    ['place: 9', 'place: first', /engine\.yaml: .*place/s],
    ['default: red', 'default: green', /the default of options\.colour: Not on offer/],
    ['reason: It is glued.', 'reason: null', /A reason is needed where change is never/],
    ['name: motto', 'name: colour', /two options of one name/],
    ['chart: toy', 'chart: tub', /no chart named tub/],
    ['serving: [web]', 'serving: [server]', /tiny has no limits of server/],
    ['summary:', 'sumary:', /sumary/],
  ])('%s → %s', async (good, bad, message) => {
    const folder = await addToy();
    const file = join(folder, 'templates/engines/toy/engine.yaml');
    await writeFile(file, (await readFile(file, 'utf8')).replace(good, bad));
    await expect(loadTemplates(folder)).rejects.toThrow(message);
    await rm(folder, { recursive: true });
  });

  test('an adapter that is none', async () => {
    const folder = await addToy();
    await writeFile(join(folder, 'templates/engines/toy/shop.ts'), 'export const shop = {};\n');
    await expect(loadTemplates(folder)).rejects.toThrow(/exports no `shop`/);
    await rm(folder, { recursive: true });
  });
});
