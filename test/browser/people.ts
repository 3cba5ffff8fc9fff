/** What a person does in the browser, by what they see: labels, roles, words. */
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { ApiClient } from '../support/control-plane-process.ts';
import type { Product, SignIn } from './product.ts';

export async function signIn(page: Page, product: Product, person: SignIn): Promise<void> {
  await page.goto(`${product.url}/sign-in`);
  await page.getByLabel('E-mail').fill(person.email);
  await page.getByLabel('Password').fill(person.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(`${product.url}/stores`);
}

/** A new tenant by the API; the link with which its owner joins. */
export async function inviteOwner(product: Product, slug: string, email: string): Promise<string> {
  const api = new ApiClient(product.url, product.token);
  const made = await api.call('POST', '/api/tenants', { slug, name: slug, ownerEmail: email });
  const link = (made.body as { invitation?: { link: string } | null }).invitation?.link;
  if (link === undefined) throw new Error(`no invitation: ${JSON.stringify(made)}`);
  return link;
}

/** Somebody more in a tenant by the API; the link with which they join. */
export async function invite(
  product: Product,
  tenant: string,
  role: 'owner' | 'member' | 'viewer',
  email: string,
): Promise<string> {
  const api = new ApiClient(product.url, product.token);
  const made = await api.call('POST', '/api/invitations', { tenant, role, email });
  const { link } = made.body as { link?: string };
  if (link === undefined) throw new Error(`no invitation: ${JSON.stringify(made)}`);
  return link;
}

/** Joins by an invitation's link as somebody new; ends signed in. */
export async function join(page: Page, link: string, password: string): Promise<void> {
  await page.goto(link);
  await page.getByLabel('Your name').fill('Mara Quist');
  await page.getByLabel('Choose a password').fill(password);
  await page.getByRole('button', { name: 'Join' }).click();
  await page.waitForURL(/\/stores$/);
}

/** A merchant's first day: from signing in to an empty list again, without ever loading a page anew. */
export async function liveTheDay(
  page: Page,
  product: Product,
  { name, readyMs }: { readonly name: string; readonly readyMs: number },
): Promise<void> {
  await signIn(page, product, product.operator);
  await page.getByRole('link', { name: 'Open the first shop' }).click();
  await page.getByLabel('Name', { exact: true }).fill(`${name}!`);
  await page.locator('[aria-invalid=true]').waitFor();
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByText('free', { exact: true }).waitFor();
  // What will be committed, before it is.
  await page.getByText('kind: Application').waitFor();
  await page.getByRole('button', { name: 'Commit and create' }).click();
  await page.waitForURL(/\/stores\/st_/);
  const shop = page.url();
  let loads = 0;
  page.on('load', () => (loads += 1));
  await page.getByText('Ready', { exact: true }).first().waitFor({ timeout: readyMs });
  expect(loads, 'the page was loaded again').toBe(0);

  const address = await page.getByRole('link', { name: 'Open shop' }).getAttribute('href');
  const visit = await page.context().newPage();
  // Traefik gathers changes for two seconds before it serves a new host.
  await expect
    .poll(async () => (await visit.goto(address ?? ''))?.status(), { timeout: 30_000 })
    .toBe(200);
  expect((await visit.title()).toLowerCase()).toContain(name);
  await visit.close();

  await page.getByLabel('Your Shopyard password').fill('not the password');
  await page.getByRole('button', { name: 'Reveal' }).click();
  await page.getByText('This is not the password').waitFor();
  await page.getByLabel('Your Shopyard password').fill(product.operator.password);
  await page.getByRole('button', { name: 'Reveal' }).click();
  await page.getByRole('button', { name: 'Copy the password' }).waitFor();
  await page.reload();
  expect(await page.getByRole('button', { name: 'Copy the password' }).count()).toBe(0);

  await page.getByRole('link', { name: 'Settings', exact: true }).click();
  const confirm = page.getByLabel(`Type ${name} to confirm`);
  const remove = page.getByRole('button', { name: `Delete ${name} for good` });
  await confirm.fill(name.slice(1));
  await remove.click();
  await page.locator('[aria-invalid=true]').waitFor();
  expect(page.url().startsWith(shop)).toBe(true);
  await confirm.fill(name);
  await remove.click();
  await page.getByText('eleting', { exact: false }).first().waitFor();
  await page.goto(`${product.url}/stores`);
  await page.getByText('No shop here yet').waitFor({ timeout: readyMs });
}
