/** What people changed in a store’s files (reliability 8): shown, adopted, or refused with the reason. */
import { readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Accepted, StoreDrift } from '../../control-plane/src/contract.ts';
import { noteDrift } from '../../control-plane/src/db/note-drift.ts';
import { specOf } from '../../control-plane/src/db/accept-outcome.ts';
import {
  pathOfApplication,
  pathOfStore,
  pathOfValues,
} from '../../control-plane/src/render/paths.ts';
import { createStoreRenderer } from '../../control-plane/src/render/store.ts';
import type { StoreSpec } from '../../control-plane/src/domain/store.ts';
import { openBareRepository } from '../../control-plane/src/repository/bare.ts';
import { loadTemplates } from '../../control-plane/src/templates.ts';
import { createTestRepository, type TestRepository } from '../support/cluster-repository.ts';
import { exampleCluster } from '../support/example-cluster.ts';
import { startApi, type Api } from './support.ts';

const { sources } = await loadTemplates();
const address = { repositoryUrl: 'http://forge.test/shopyard.git', branch: 'main' };
const render = createStoreRenderer(sources, address, exampleCluster);

let api: Api;
let repository: TestRepository;
let reader: ReturnType<typeof openBareRepository>;
let spec: StoreSpec;

beforeEach(async () => {
  repository = await createTestRepository();
  reader = openBareRepository({ repository: repository.forge.repositoryDir, branch: 'main' });
  api = await startApi({ reads: { repository: reader } });
  const created = await api.request('POST', '/api/stores', {
    body: { name: 'shop', type: 'woocommerce' },
  });
  const { store, operation } = Accepted.parse(created.body);
  const row = await api.db
    .updateTable('stores')
    .set({ status: 'ready', stage: 'ready', commitSha: 'c'.repeat(40) })
    .where('id', '=', store.id)
    .returningAll()
    .executeTakeFirstOrThrow();
  await api.db.updateTable('operations').set({ state: 'done', committedAt: new Date() }).execute();
  spec = specOf(row, store.tenant);
  const batch = (await repository.open()).begin();
  const files = render(
    { action: 'create', store: spec, operationId: operation.id, at: new Date() },
    null,
  );
  const author = { name: 'Shopyard', email: 'shopyard@localhost' };
  await batch.commit(files, { message: 'Create store shop\n', author, at: new Date() });
  await batch.push();
});

afterEach(async () => {
  reader.close();
  await Promise.all([api.close(), repository.close()]);
});

/** A person's commit, and what the writer notes of it. */
async function commitAsPerson(change: (folder: string) => Promise<void>): Promise<string> {
  const branch = await repository.open();
  const before = branch.tip;
  const sha = await repository.commitAsPerson('By hand', change);
  const read = await branch.refresh(before);
  if (read.kind !== 'ok') throw new Error('the branch was not rewritten');
  const commits = read.commits.map((commit) => ({
    ...{ sha: commit.sha, author: commit.author.name, at: commit.author.at },
    ...{ operationId: null, storeId: null, changes: commit.changes },
  }));
  await api.db.transaction().execute((tx) => noteDrift(tx, commits, new Date()));
  return sha;
}

const replace = (path: string, from: string, to: string) => async (folder: string) => {
  const text = await readFile(join(folder, path), 'utf8');
  await writeFile(join(folder, path), text.replace(from, to));
};

async function readDrift() {
  const reply = await api.request('GET', `/api/stores/${spec.id}/drift`);
  expect(reply.status, reply.text).toBe(200);
  return StoreDrift.parse(reply.body);
}

/** What was looked at becomes the store's settings. */
async function adopt() {
  const { commit } = await readDrift();
  return adoptCommit(commit ?? '0'.repeat(40));
}

const adoptCommit = (commit: string) =>
  api.request('POST', `/api/stores/${spec.id}/adopt`, { body: { commit } });

test('a plan written into store.yaml is shown as a diff and becomes the store’s plan', async () => {
  const path = `${pathOfStore(spec)}/store.yaml`;
  const sha = await commitAsPerson(replace(path, '\n  plan: small', '\n  plan: medium'));
  const drift = await readDrift();
  expect(drift).toMatchObject({ commit: sha, live: [], problem: null });
  expect(drift.git).toMatchObject([
    { path, kind: 'changed', sha, author: 'Ada', adoptable: true, why: null },
  ]);
  expect(drift.git[0]?.file.before).toContain('\n  plan: small');
  expect(drift.git[0]?.file.after).toContain('\n  plan: medium');
  const refused = await api.request('PATCH', `/api/stores/${spec.id}`, { body: { plan: 'large' } });
  expect([refused.status, refused.body.code]).toEqual([409, 'drifted']);

  const reply = await adopt();
  expect(reply.status, reply.text).toBe(202);
  expect(Accepted.parse(reply.body)).toMatchObject({
    store: { plan: 'medium', generation: 2, drifted: true },
    operation: { kind: 'update' },
  });
  const operation = await api.db
    .selectFrom('operations')
    .select(['adopts', 'driftSha'])
    .where('kind', '=', 'update')
    .executeTakeFirstOrThrow();
  expect(operation).toEqual({ adopts: sha, driftSha: sha });
});

test('what was looked at is adopted, and not what was written since', async () => {
  const path = `${pathOfStore(spec)}/store.yaml`;
  const seen = await commitAsPerson(replace(path, '\n  plan: small', '\n  plan: medium'));
  expect((await readDrift()).commit).toBe(seen);
  const since = await commitAsPerson(replace(path, 'country: DE', 'country: AT'));
  const refused = await adoptCommit(seen);
  expect([refused.status, refused.body.code], refused.text).toEqual([409, 'drifted']);
  const operations = await api.db.selectFrom('operations').select('kind').execute();
  expect(operations).toEqual([{ kind: 'create' }]);
  expect((await readDrift()).commit).toBe(since);
});

test('an address that is not its host’s is refused, not dropped', async () => {
  const path = `${pathOfStore(spec)}/store.yaml`;
  await commitAsPerson(replace(path, spec.url, 'https://elsewhere.example.com'));
  expect((await readDrift()).git).toMatchObject([
    { path, adoptable: false, why: expect.stringContaining('spec.url') as string },
  ]);
  expect((await adopt()).body.code).toBe('not_adoptable');
});

test('a file larger than anything of ours, a link and many files leave the rest to be seen', async () => {
  const folder = pathOfStore(spec);
  const intent = `${folder}/store.yaml`;
  await commitAsPerson(async (root) => {
    await replace(intent, '\n  plan: small', '\n  plan: medium')(root);
    await writeFile(join(root, folder, '0-dump.sql'), Buffer.alloc(9 * 1024 * 1024, 'x'));
    await symlink('/etc/passwd', join(root, folder, '1-link'));
    for (let count = 0; count < 120; count++)
      await writeFile(join(root, folder, `notes-${String(count)}`), 'x');
  });
  const drift = await readDrift();
  expect(drift.git).toHaveLength(100);
  expect(drift.omitted).toBe(23);
  expect(drift.git.slice(0, 2)).toMatchObject([
    { kind: 'added', adoptable: false, file: { after: null, note: 'too long to show' } },
    { kind: 'added', adoptable: false, file: { after: null, note: 'not a file' } },
  ]);
  expect((await adopt()).body.code).toBe('not_adoptable');
  const repaired = await api.request('POST', `/api/stores/${spec.id}/repair`);
  expect(repaired.status, repaired.text).toBe(202);
});

test('an option written into the values is a setting, too', async () => {
  const path = pathOfValues(spec);
  await commitAsPerson(replace(path, 'object_cache: false', 'object_cache: true'));
  expect((await readDrift()).git).toMatchObject([{ path, adoptable: true }]);
  const reply = await adopt();
  expect(Accepted.parse(reply.body).store.options).toMatchObject({ object_cache: true });
});

test('what no setting says is refused with the place', async () => {
  const path = pathOfValues(spec);
  await commitAsPerson(replace(path, 'localhost/shopyard', 'evil.example'));
  expect((await readDrift()).git).toMatchObject([
    { adoptable: false, why: 'cluster.imageRegistry is not for a store’s settings to say.' },
  ]);
  const reply = await adopt();
  expect([reply.status, reply.body.code]).toEqual([409, 'not_adoptable']);
  expect(reply.body.detail).toContain('cluster.imageRegistry');
});

test('values that no option can have are shown and refused', async () => {
  const path = pathOfValues(spec);
  await commitAsPerson(replace(path, 'theme: twentytwentyfive', 'theme: [a, 1.5]'));
  expect((await readDrift()).git).toMatchObject([
    { path, adoptable: false, why: 'options.theme is not for a store’s settings to say.' },
  ]);
  expect((await adopt()).body.code).toBe('not_adoptable');
});

test('an edit of the values that an upgrade left behind is shown and refused', async () => {
  const path = `${pathOfStore(spec)}/values-0.9.0.yaml`;
  const batch = (await repository.open()).begin();
  const author = { name: 'Shopyard', email: 'shopyard@localhost' };
  const left = [{ path, content: 'plan: small\n' }];
  await batch.commit(left, { message: 'Upgrade store shop\n', author, at: new Date() });
  await batch.push();
  await commitAsPerson(replace(path, 'plan: small', 'plan: medium'));
  expect((await readDrift()).git).toMatchObject([
    { path, kind: 'changed', adoptable: false, why: 'This is no file of the store any more.' },
  ]);
  expect((await adopt()).body.code).toBe('not_adoptable');
});

test.each([
  ['plan: small', 'plan: enormous', /No such plan/],
  ['country: DE', 'country: FR', /country/],
  ['name: shop', 'name: other', /metadata\.name/],
  ['kind: Store', 'kind: [', /cannot be read/],
])('an edit from “%s” to “%s” is not adopted', async (from, to, why) => {
  await commitAsPerson(replace(`${pathOfStore(spec)}/store.yaml`, from, to));
  const [drift] = (await readDrift()).git;
  expect(drift?.adoptable).toBe(false);
  expect(drift?.why).toMatch(why);
});

test('a removed Application is put back by a repair, not adopted', async () => {
  const path = pathOfApplication(spec, 1);
  await commitAsPerson((folder) => rm(join(folder, path)));
  expect((await readDrift()).git).toMatchObject([
    { path, kind: 'removed', adoptable: false, file: { after: null } },
  ]);
  const reply = await api.request('POST', `/api/stores/${spec.id}/repair`);
  expect(reply.status, reply.text).toBe(202);
});

test('of a store that nobody changed there is nothing to show', async () => {
  expect(await readDrift()).toEqual({
    ...{ commit: null, git: [], omitted: 0, live: [], problem: null },
  });
  expect((await adopt()).body.code).toBe('not_adoptable');
});
