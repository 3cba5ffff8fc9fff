/**
 * Who may use the shop: the merchant's first login and the two keys of its API, as they are in the
 * store's Secrets. They are written once; a password that the merchant has changed in the admin
 * stays. New Secrets (a namespace restored from a backup) are written again.
 */
import { createHash, randomBytes, scryptSync } from 'node:crypto';
import type { MedusaContainer } from '@medusajs/framework/types';
import { ApiKeyType, ContainerRegistrationKeys, Modules } from '@medusajs/framework/utils';
import {
  createApiKeysWorkflow,
  createUsersWorkflow,
  linkSalesChannelsToApiKeyWorkflow,
} from '@medusajs/medusa/core-flows';

const provider = 'emailpass';

export interface AdminLogin {
  readonly email: string;
  readonly password: string;
}

/** Makes the admin's user and login, and gives it the password if it is another Secret's than before. */
export async function grantAdmin(container: MedusaContainer, login: AdminLogin): Promise<void> {
  const users = container.resolve(Modules.USER);
  const auth = container.resolve(Modules.AUTH);
  const { email, password } = login;
  // A made-up password of 24 letters: its hash tells nothing, but tells one Secret from another.
  const mark = createHash('sha256').update(password).digest('hex');

  let [user] = await users.listUsers({ email });
  if (user === undefined) {
    const made = await createUsersWorkflow(container).run({ input: { users: [{ email }] } });
    user = made.result[0];
  }
  if (user === undefined) throw new Error('the admin could not be made');
  if (user.metadata?.shopyard_login === mark) return;

  const [known] = await auth.listProviderIdentities({ entity_id: email, provider });
  const answer =
    known === undefined
      ? await auth.register(provider, { body: { email, password } })
      : await auth.updateProvider(provider, { entity_id: email, password });
  if (!answer.success || answer.authIdentity === undefined) {
    throw new Error(`the admin's login was refused: ${answer.error ?? 'no reason given'}`);
  }
  await auth.updateAuthIdentities({
    id: answer.authIdentity.id,
    app_metadata: { user_id: user.id },
  });
  await users.updateUsers({ id: user.id, metadata: { shopyard_login: mark } });
}

export interface ApiKeys {
  /** `sk_…`: the control plane's, for the admin API. */
  readonly secret: string;
  /** `pk_…`: the storefront's, for the store API. */
  readonly publishable: string;
}

/**
 * Makes the keys valid. Medusa can only make up keys of its own, so a key is made and its token
 * replaced, in the form that Medusa keeps tokens in.
 */
export async function grantKeys(container: MedusaContainer, keys: ApiKeys): Promise<void> {
  const service = container.resolve(Modules.API_KEY);
  const [isPublishable] = await service.listApiKeys({ token: keys.publishable });
  if (isPublishable === undefined) {
    // The one that Medusa makes for every new shop.
    const title = 'Default Publishable API Key';
    const id = await findOrMakeKey(container, title, ApiKeyType.PUBLISHABLE);
    await replaceToken(container, id, keys.publishable, { token: keys.publishable, salt: '' });
    const [store] = await container.resolve(Modules.STORE).listStores({}, { take: 1 });
    const channel = store?.default_sales_channel_id;
    if (channel === undefined || channel === null) throw new Error('the shop has no sales channel');
    await linkSalesChannelsToApiKeyWorkflow(container).run({ input: { id, add: [channel] } });
  }
  const isSecret = await service.authenticate(keys.secret);
  if (isSecret === false) {
    const id = await findOrMakeKey(container, 'Shopyard', ApiKeyType.SECRET);
    const salt = randomBytes(16).toString('hex');
    const token = scryptSync(keys.secret, salt, 64).toString('hex');
    await replaceToken(container, id, keys.secret, { token, salt });
  }
}

async function findOrMakeKey(
  container: MedusaContainer,
  title: string,
  type: ApiKeyType,
): Promise<string> {
  const [known] = await container.resolve(Modules.API_KEY).listApiKeys({ title, type });
  if (known !== undefined) return known.id;
  const made = await createApiKeysWorkflow(container).run({
    input: { api_keys: [{ title, type, created_by: '' }] },
  });
  const [key] = made.result;
  if (key === undefined) throw new Error(`the key ${title} could not be made`);
  return key.id;
}

async function replaceToken(
  container: MedusaContainer,
  id: string,
  key: string,
  stored: { readonly token: string; readonly salt: string },
): Promise<void> {
  const redacted = `${key.slice(0, 6)}***${key.slice(-3)}`;
  await container
    .resolve(ContainerRegistrationKeys.PG_CONNECTION)('api_key')
    .where({ id })
    .update({ ...stored, redacted, revoked_at: null });
}
