/**
 * For each route there is: what its policy must be, said again here on purpose, and a request that
 * gets through for whoever may. The matrix fails for a route without a sample.
 */
import type { CreateInvitation } from '../../control-plane/src/contract.ts';
import { InvitationAnswer, TenantAnswer, TokenAnswer } from '../../control-plane/src/contract.ts';
import type { Policy } from '../../control-plane/src/http/auth.ts';
import { PASSWORD } from '../api/support.ts';
import { REPOSITORY, TENANTS, type Caller, type Side, type World } from './world.ts';

export type Sample = {
  readonly policy: Policy;
  /** The password was asked for again. */
  readonly recent?: boolean;
  /**
   * Makes what the path names, of a tenant, and says what stands in the path. Without it the route
   * names nothing: there is no other tenant's.
   */
  readonly target?: (world: World, side: Side, caller: Caller) => Promise<string> | string;
  /** What is there for whoever looks, whatever tenant they are in; e.g. a link with a secret. */
  readonly isAnybodys?: boolean;
  /** It is a person's own: an operator does not reach it either. */
  readonly isPersonal?: boolean;
  /** An operator says in the query whose it is. */
  readonly operatorNamesTenant?: boolean;
  readonly query?: string;
  readonly body?: (world: World, caller: Caller) => unknown;
  /** Ends or changes the session it is asked with. */
  readonly usesUpSession?: boolean;
  /** What is answered to those who may; default: a status from 200 to 299. */
  readonly answer?: number | string;
  /** Who may besides the policy gets what: rules of the handler's own. */
  readonly exceptions?: Partial<Record<Caller, number | string>>;
};

const store = ({ stores }: World, side: Side) => stores[side];
const freshStore = (world: World, side: Side) => world.store(side);

/** Deletes that wait; nobody who asks here asked for one. */
async function hold(world: World): Promise<string> {
  // A cluster has one that is open.
  await world.api.db
    .updateTable('holds')
    .set({ state: 'rejected' })
    .where('state', '=', 'open')
    .execute();
  const { id } = await world.api.db
    .insertInto('holds')
    .values({ id: `hold_${world.next()}`, cluster: 'lab', openedAt: new Date() })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

const member = async (world: World, side: Side) => (await world.somebody(side, 'viewer')).id;

/** An invitation, by its id or by its link's secret. */
async function makeInvitation(world: World, side: Side) {
  const body: CreateInvitation = {
    email: `invited-${world.next()}@people.test`,
    role: 'viewer',
    tenant: TENANTS[side],
  };
  const reply = await world.api.request('POST', '/api/invitations', { body });
  return InvitationAnswer.parse(reply.body);
}
const invitation = async (world: World, side: Side) =>
  (await makeInvitation(world, side)).invitation.id;
const secret = async (world: World, side: Side) =>
  (await makeInvitation(world, side)).link.split('/').at(-1) ?? '';

/** A token of the caller's own, or somebody's of the other tenant. */
async function token(world: World, side: Side, caller: Caller): Promise<string> {
  if (side === 'own' && ['member', 'owner', 'operator'].includes(caller)) {
    const shown = await world.become(caller);
    const reply = await world.ask(shown, 'POST', '/api/tokens', { name: 'a target' });
    return TokenAnswer.parse(reply.body).id;
  }
  return (await world.api.token('viewer', TENANTS[side])).id;
}

/** A session of the caller's own, or somebody else's. */
async function session(world: World, side: Side, caller: Caller): Promise<string> {
  const person = world.people.get(caller);
  const { id, email } =
    side === 'own' && person !== undefined ? person : await world.somebody(side, 'viewer');
  await world.api.signIn(email);
  const row = await world.api.db
    .selectFrom('sessions')
    .select('id')
    .where('userId', '=', id)
    .orderBy('createdAt', 'desc')
    .executeTakeFirstOrThrow();
  return row.id;
}

async function tenant(world: World, side: Side): Promise<string> {
  const slug = `target-${side}-${world.next()}`;
  const reply = await world.api.request('POST', '/api/tenants', { body: { slug, name: slug } });
  return TenantAnswer.parse(reply.body).tenant.id;
}

/** A rollout belongs to no tenant: it is the operators', whoever's stores are in it. */
async function rollout(world: World, side: Side): Promise<string> {
  const { db } = world.api;
  const id = `ro_${world.next()}`;
  const { tenantId } = await db
    .selectFrom('stores')
    .select('tenantId')
    .where('id', '=', world.stores[side])
    .executeTakeFirstOrThrow();
  await db
    .insertInto('rollouts')
    .values({
      ...{ id, tenantId, type: id, toVersion: '9.9.9', waveSize: 1, allowedUnhealthy: 0 },
      selection: JSON.stringify({ kind: 'all' }),
      ...{ requestedBy: 'usr_somebody', requestedName: 'Somebody', requestedKind: 'user' },
    })
    .execute();
  return id;
}
const pausedRollout = async (world: World, side: Side) => {
  const id = await rollout(world, side);
  await world.api.db
    .updateTable('rollouts')
    .set({ state: 'paused' })
    .where('id', '=', id)
    .execute();
  return id;
};

const HEAD = 'a'.repeat(40);

/** The number of a pull request that is open. */
async function review(world: World, side: Side): Promise<string> {
  const { db } = world.api;
  const { id, tenantId, cluster, operationId } = await db
    .selectFrom('stores')
    .select(['id', 'tenantId', 'cluster', 'operationId'])
    .where('id', '=', await world.store(side))
    .executeTakeFirstOrThrow();
  const number = world.next();
  await db
    .updateTable('operations')
    .set({
      ...{ state: 'review', needsReview: true, reviewNumber: number },
      reviewCommit: JSON.stringify({ sha: HEAD, base: null, files: {}, left: {} }),
    })
    .where('id', '=', operationId)
    .execute();
  await db
    .insertInto('pullRequests')
    .values({
      repository: REPOSITORY,
      number,
      branch: `store/review-${number}/${operationId}`,
      headSha: HEAD,
      title: 'Create it',
      body: '',
      openedAt: new Date(),
      operationId,
      storeId: id,
      tenantId,
      cluster,
    })
    .execute();
  return String(number);
}

export const SAMPLES: Readonly<Record<string, Sample>> = {
  'POST /api/stores': {
    policy: 'writer',
    body: (world) => ({ name: `made-${world.next()}`, type: 'woocommerce' }),
  },
  'GET /api/stores': { policy: 'reader' },
  'GET /api/stores/{id}': { policy: 'reader', target: store },
  'PATCH /api/stores/{id}': {
    policy: 'writer',
    target: freshStore,
    body: () => ({ plan: 'large' }),
  },
  'DELETE /api/stores/{id}': { policy: 'writer', target: freshStore },
  'POST /api/stores/{id}/retry': { policy: 'writer', target: store },
  'POST /api/stores/{id}/suspend': { policy: 'writer', target: freshStore },
  'POST /api/stores/{id}/resume': { policy: 'writer', target: freshStore },
  'POST /api/stores/{id}/repair': { policy: 'writer', target: freshStore },
  'POST /api/stores/{id}/upgrade': { policy: 'owner', target: freshStore },
  'POST /api/stores/{id}/rollback': {
    policy: 'owner',
    target: freshStore,
    body: ({ commits }) => ({ commit: commits.own }),
    answer: 'rollback_refused',
  },
  'GET /api/stores/{id}/rollback': {
    policy: 'reader',
    target: freshStore,
    query: `commit=${'0'.repeat(40)}`,
    answer: 'rollback_refused',
  },
  'GET /api/stores/{id}/health': { policy: 'reader', target: store },
  'GET /api/stores/{id}/operations': { policy: 'reader', target: store },
  'GET /api/events': { policy: 'reader' },

  'GET /api/engines': { policy: 'reader' },
  'GET /api/clusters': { policy: 'operator' },
  'GET /api/counts': { policy: 'reader' },
  'GET /api/store-names/{name}': { policy: 'reader', target: () => 'a-name', isAnybodys: true },
  'POST /api/stores/preview': {
    policy: 'writer',
    body: () => ({ name: 'previewed', type: 'woocommerce' }),
  },
  'POST /api/stores/{id}/preview': {
    policy: 'writer',
    target: store,
    body: () => ({ plan: 'large' }),
  },
  'GET /api/stores/{id}/changes': { policy: 'reader', target: store },
  'GET /api/changes': { policy: 'reader' },
  'GET /api/changes/{sha}': { policy: 'reader', target: ({ commits }, side) => commits[side] },
  'GET /api/reviews': { policy: 'reader' },
  'GET /api/reviews/{number}': { policy: 'reader', target: review },
  'POST /api/reviews/{number}/approve': {
    policy: 'operator',
    target: review,
    body: () => ({ headSha: HEAD }),
  },
  'POST /api/reviews/{number}/reject': { policy: 'operator', target: review },
  'GET /api/stores/{id}/events': { policy: 'reader', target: store },
  'GET /api/stores/{id}/pods': { policy: 'reader', target: store },
  'GET /api/stores/{id}/logs': { policy: 'reader', target: store },
  'GET /api/stores/{id}/resources': { policy: 'reader', target: store },
  'POST /api/stores/{id}/reveal': {
    policy: 'writer',
    recent: true,
    target: store,
    answer: 'login_not_ready',
  },
  'GET /api/stores/{id}/orders': { policy: 'reader', target: store },
  'POST /api/stores/{id}/test-order': {
    policy: 'writer',
    target: store,
    answer: 'store_not_ready',
  },
  'GET /api/audit': { policy: 'owner' },
  'GET /api/audit.ndjson': { policy: 'owner' },
  'GET /api/fleet': { policy: 'operator' },
  'GET /api/health': { policy: 'operator' },

  'GET /api/rollouts': { policy: 'operator' },
  'POST /api/rollouts/preview': { policy: 'operator', body: () => ({ type: 'woocommerce' }) },
  'POST /api/rollouts': {
    policy: 'operator',
    body: () => ({ type: 'woocommerce' }),
    // Every store there is has the version already.
    answer: 'nothing_to_upgrade',
  },
  'GET /api/rollouts/{id}': { policy: 'operator', target: rollout },
  'POST /api/rollouts/{id}/pause': { policy: 'operator', target: rollout },
  'POST /api/rollouts/{id}/resume': { policy: 'operator', target: pausedRollout },
  'POST /api/rollouts/{id}/cancel': { policy: 'operator', target: rollout },

  'GET /api/sign-in': { policy: 'anyone' },
  'POST /api/auth/sign-in/email': {
    policy: 'anyone',
    body: (world) => ({ email: world.people.get('viewer')?.email, password: PASSWORD }),
  },
  'POST /api/auth/sign-up/email': {
    policy: 'anyone',
    body: () => ({ name: 'X', email: 'x@people.test', password: PASSWORD }),
    answer: 'sign_up_closed',
  },
  'POST /api/auth/sign-out': { policy: 'user', usesUpSession: true },
  'POST /api/auth/change-password': {
    policy: 'user',
    usesUpSession: true,
    body: () => ({ currentPassword: 'not the password', newPassword: 'something else' }),
    answer: 'invalid_request',
  },
  'POST /api/auth/request-password-reset': {
    policy: 'anyone',
    body: () => ({ email: 'x@people.test' }),
    answer: 'no_mail',
  },
  'POST /api/auth/reset-password': {
    policy: 'anyone',
    body: () => ({ token: 'guessed', newPassword: 'something else' }),
    answer: 'link_invalid',
  },
  'GET /api/sign-in/oidc': { policy: 'anyone', answer: 'not_found' },
  'GET /api/auth/callback/{provider}': {
    policy: 'anyone',
    isAnybodys: true,
    target: () => 'oidc',
    answer: 'not_found',
  },

  'GET /api/me': { policy: 'known' },
  'PATCH /api/me': { policy: 'user', body: () => ({ name: 'Renamed' }) },
  'POST /api/confirm': {
    policy: 'user',
    usesUpSession: true,
    body: () => ({ password: PASSWORD }),
  },
  'POST /api/sessions/tenant': {
    policy: 'user',
    usesUpSession: true,
    body: (_world, caller) => ({
      tenant: caller === 'operator' ? 'platform' : caller === 'stranger' ? 'theirs' : 'mine',
    }),
    exceptions: { guest: 'not_found' },
  },
  'GET /api/sessions': { policy: 'user' },
  'DELETE /api/sessions': { policy: 'user', usesUpSession: true },
  'DELETE /api/sessions/{id}': { policy: 'user', target: session, isPersonal: true },

  'GET /api/members': { policy: 'owner' },
  'PATCH /api/members/{id}': {
    policy: 'owner',
    target: member,
    operatorNamesTenant: true,
    body: () => ({ role: 'member' }),
  },
  'DELETE /api/members/{id}': {
    policy: 'reader',
    target: member,
    operatorNamesTenant: true,
    // They may leave, and put nobody else out.
    exceptions: { viewer: 'forbidden', member: 'forbidden' },
  },
  'POST /api/members/{id}/password-link': {
    policy: 'operator',
    target: member,
    operatorNamesTenant: true,
  },
  'GET /api/invitations': { policy: 'owner' },
  'POST /api/invitations': {
    policy: 'owner',
    body: (world, caller) => ({
      email: `invited-${world.next()}@people.test`,
      role: caller === 'operator' ? 'operator' : 'viewer',
    }),
  },
  'DELETE /api/invitations/{id}': {
    policy: 'owner',
    target: invitation,
    operatorNamesTenant: true,
  },
  'GET /api/invitations/{secret}/preview': {
    policy: 'anyone',
    target: secret,
    isAnybodys: true,
  },
  'POST /api/invitations/{secret}/accept': {
    policy: 'anyone',
    target: secret,
    isAnybodys: true,
    body: () => ({ name: 'Accepting', password: PASSWORD }),
    // It is for somebody else: whoever is signed in is not who was invited.
    exceptions: {
      guest: 'other_recipient',
      viewer: 'other_recipient',
      member: 'other_recipient',
      owner: 'other_recipient',
      operator: 'other_recipient',
      stranger: 'other_recipient',
    },
  },
  'GET /api/tenants': { policy: 'operator' },
  'GET /api/tenants/{id}': { policy: 'operator', target: tenant },
  'POST /api/tenants': {
    policy: 'known',
    body: (world) => ({ slug: `made-${world.next()}`, name: 'Made' }),
    // Closed but to operators, where sign-up is.
    exceptions: {
      guest: 'forbidden',
      viewer: 'forbidden',
      member: 'forbidden',
      owner: 'forbidden',
      token: 'forbidden',
      stranger: 'forbidden',
    },
  },
  'PATCH /api/tenants/{id}': {
    policy: 'operator',
    target: tenant,
    body: () => ({ storeLimit: 3 }),
  },

  'GET /api/tokens': { policy: 'writer' },
  'POST /api/tokens': {
    policy: 'writer',
    body: () => ({ name: 'made' }),
    exceptions: { token: 'forbidden' },
  },
  'DELETE /api/tokens/{id}': {
    policy: 'writer',
    target: token,
    // It revokes itself and nothing else.
    exceptions: { token: 'not_found' },
  },

  // Who may is whoever signs rightly; nobody does here, and no session or token makes up for it.
  'POST /api/hooks/forge': {
    policy: 'anyone',
    body: () => ({ ref: 'refs/heads/main', after: 'a'.repeat(40) }),
    answer: 'signature_invalid',
  },

  'GET /api/stores/{id}/drift': { policy: 'reader', target: store },
  'POST /api/stores/{id}/adopt': {
    policy: 'owner',
    target: store,
    body: () => ({ commit: '0'.repeat(40) }),
    answer: 'not_adoptable',
  },
  'GET /api/holds': { policy: 'operator' },
  'POST /api/holds/{id}/approve': {
    policy: 'operator',
    target: hold,
    body: () => ({ operations: [] }),
  },
  'POST /api/holds/{id}/reject': { policy: 'operator', target: hold },

  'GET /healthz': { policy: 'anyone' },
  'GET /readyz': { policy: 'anyone' },
  'GET /metrics': { policy: 'anyone' },
  'GET /api/openapi.json': { policy: 'anyone' },
  'GET /api/docs': { policy: 'anyone' },
};
