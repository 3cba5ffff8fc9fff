/** What a person does in the browser, by what they see: labels, roles, words. */
import type { Page } from 'playwright-core';
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

/** Joins by an invitation's link as somebody new; ends signed in. */
export async function join(page: Page, link: string, password: string): Promise<void> {
  await page.goto(link);
  await page.getByLabel('Your name').fill('Mara Quist');
  await page.getByLabel('Choose a password').fill(password);
  await page.getByRole('button', { name: 'Join' }).click();
  await page.waitForURL(/\/stores$/);
}
