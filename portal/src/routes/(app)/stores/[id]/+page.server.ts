import { askApi } from '#lib/api.ts';
import { setFlash } from '#lib/server/flash.ts';
import { failForm, readFields } from '#lib/server/forms.ts';
import { resumeStore, retryStore } from '#lib/server/store-acts.ts';
import type { AdminLogin, EngineList, OrderSummary, TestOrder } from '#lib/shapes.ts';
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
  retry: retryStore,
  resume: resumeStore,
  /** Buys something in the shop, as a customer would; the page then shows it among the orders. */
  order: async ({ fetch, params, cookies, url }) => {
    const answer = await askApi<TestOrder>(
      fetch,
      `/api/stores/${encodeURIComponent(params.id)}/test-order`,
      { method: 'POST' },
    );
    if (!answer.ok) return failForm('order', answer.problem, {}, answer.status);
    const { number, total, currency } = answer.data;
    const amount = new Intl.NumberFormat('en', { style: 'currency', currency }).format(total);
    setFlash(cookies, url, { kind: 'done', message: `Order ${number} is placed: ${amount}.` });
    redirect(303, `/stores/${encodeURIComponent(params.id)}`);
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
