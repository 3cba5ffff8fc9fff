import { error, redirect } from '@sveltejs/kit';
import { askApi, readApi } from '#lib/api.ts';
import { isOperator, isOwner } from '#lib/navigation.ts';
import { readFilters, writeQuery } from '#lib/query.ts';
import { PLATFORM } from '#lib/role-words.ts';
import { setFlash } from '#lib/server/flash.ts';
import { failForm, readFields } from '#lib/server/forms.ts';
import type {
  InvitationAnswer,
  InvitationList,
  Me,
  MemberList,
  PasswordLink,
} from '#lib/shapes.ts';
import type { Actions, PageServerLoad } from './$types';

/** Operators name a tenant in the address; for everybody else it is their own. */
function readTenant(me: Me | null, url: URL) {
  const { tenant: named } = readFilters(url, ['tenant']);
  const wanted = isOperator(me) ? named : undefined;
  const own = me?.tenant;
  return {
    slug: wanted ?? own?.slug ?? PLATFORM,
    name: wanted === undefined || wanted === own?.slug ? (own?.name ?? PLATFORM) : wanted,
    query: writeQuery({ tenant: wanted }),
  };
}

export const load: PageServerLoad = async ({ fetch, locals, url }) => {
  if (!isOwner(locals.me))
    error(403, 'This page is for the owners of an organisation: they say who is in it.');
  const tenant = readTenant(locals.me, url);
  const [{ members }, { invitations }] = await Promise.all([
    readApi<MemberList>(fetch, `/api/members${tenant.query}`, url),
    readApi<InvitationList>(fetch, `/api/invitations${tenant.query}`, url),
  ]);
  return { tenant, members, invitations };
};

export const actions: Actions = {
  /** Answered in place: the link is shown this once. */
  invite: async ({ fetch, locals, request, url }) => {
    const fields = await readFields(request);
    const { slug, query } = readTenant(locals.me, url);
    const answer = await askApi<InvitationAnswer>(fetch, '/api/invitations', {
      method: 'POST',
      body: {
        email: fields['email'] ?? '',
        role: fields['role'] ?? '',
        ...(query === '' ? {} : { tenant: slug }),
      },
    });
    if (!answer.ok) return failForm('invite', answer.problem, fields, answer.status);
    return { invited: answer.data };
  },
  withdraw: async ({ fetch, locals, request, cookies, url }) => {
    const { id = '', email = '' } = await readFields(request);
    const { query } = readTenant(locals.me, url);
    const answer = await askApi(fetch, `/api/invitations/${encodeURIComponent(id)}${query}`, {
      method: 'DELETE',
    });
    if (!answer.ok) return failForm(id, answer.problem, {}, answer.status);
    setFlash(cookies, url, {
      kind: 'done',
      message: `The invitation of ${email} is withdrawn: its link leads nowhere now.`,
    });
    redirect(303, `/members${query}`);
  },
  role: async ({ fetch, locals, request, cookies, url }) => {
    const fields = await readFields(request);
    const { id = '', name = '', role = '' } = fields;
    const { query } = readTenant(locals.me, url);
    const answer = await askApi(fetch, `/api/members/${encodeURIComponent(id)}${query}`, {
      method: 'PATCH',
      body: { role },
    });
    if (!answer.ok) return failForm(id, answer.problem, fields, answer.status);
    setFlash(cookies, url, { kind: 'done', message: `${name} is ${role} now.` });
    redirect(303, `/members${query}`);
  },
  remove: async ({ fetch, locals, request, cookies, url }) => {
    const { id = '', name = '' } = await readFields(request);
    const { query } = readTenant(locals.me, url);
    const answer = await askApi(fetch, `/api/members/${encodeURIComponent(id)}${query}`, {
      method: 'DELETE',
    });
    if (!answer.ok) return failForm(id, answer.problem, {}, answer.status);
    setFlash(cookies, url, { kind: 'done', message: `${name} is no longer here.` });
    // Who put themselves out has nothing to see here any more.
    redirect(303, id === locals.me?.user?.id ? '/stores' : `/members${query}`);
  },
  /** Operators, for people who cannot get in. Answered in place: the link is shown this once. */
  password: async ({ fetch, locals, request, url }) => {
    const { id = '', name = '' } = await readFields(request);
    const { query } = readTenant(locals.me, url);
    const answer = await askApi<PasswordLink>(
      fetch,
      `/api/members/${encodeURIComponent(id)}/password-link${query}`,
      { method: 'POST' },
    );
    if (!answer.ok) return failForm(id, answer.problem, {}, answer.status);
    return { passwordLink: { ...answer.data, name } };
  },
};
