import { askApi } from '#lib/api.ts';
import { failForm, readFields } from '#lib/server/forms.ts';
import { setFlash } from '#lib/server/flash.ts';
import type { Accepted, AdminLogin, EngineList, OrderSummary } from '#lib/shapes.ts';
import { redirect } from '@sveltejs/kit';
import type { Actions, PageServerLoad } from './$types';

export const load: PageServerLoad = async ({ fetch, params, url }) => {
  // The shop itself is asked, which may take a while: the page does not wait for it.
  const orders = askApi<OrderSummary>(
    fetch,
    `/api/stores/${encodeURIComponent(params.id)}/orders?days=30`,
  );
  const offer = await askApi<EngineList>(fetch, '/api/engines');
  // Without JavaScript nothing can be filled in later: a link asks for a page that waits.
  const isWaiting = url.searchParams.has('orders');
  return { orders: isWaiting ? await orders : orders, engines: offer.ok ? offer.data.engines : [] };
};

export const actions: Actions = {
  retry: async ({ fetch, params, cookies, url }) => {
    const answer = await askApi<Accepted>(
      fetch,
      `/api/stores/${encodeURIComponent(params.id)}/retry`,
      { method: 'POST' },
    );
    if (!answer.ok) return failForm('retry', answer.problem, {}, answer.status);
    setFlash(cookies, url, { kind: 'done', message: 'Trying again, with a new commit.' });
    redirect(303, url.pathname);
  },
  /** The password proves who asks; then the login is read from the shop's own cluster. */
  reveal: async ({ fetch, params, request }) => {
    const { password = '' } = await readFields(request);
    if (password !== '') {
      const confirmed = await askApi(fetch, '/api/confirm', { method: 'POST', body: { password } });
      if (!confirmed.ok) return failForm('reveal', confirmed.problem, {}, confirmed.status);
    }
    const answer = await askApi<AdminLogin>(
      fetch,
      `/api/stores/${encodeURIComponent(params.id)}/reveal`,
      { method: 'POST' },
    );
    if (!answer.ok) return failForm('reveal', answer.problem, {}, answer.status);
    return { form: 'reveal', login: answer.data };
  },
};
