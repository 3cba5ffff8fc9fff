/** A shop that answers in as few words as there can be. */
import { z } from 'zod';
import type { ShopAdapter } from '../../../control-plane/src/orders/types.ts';

const Order = z.object({ number: z.string(), total: z.string() });

export const shop: ShopAdapter = {
  async listOrders({ ask }) {
    const { body } = await ask({ path: '/toy/orders' });
    return z
      .array(Order)
      .parse(body)
      .map((order) => ({
        ...order,
        at: new Date(0),
        currency: 'EUR',
        status: 'sold',
        customer: null,
        counts: true,
      }));
  },

  async placeTestOrder({ shop: { options }, ask }) {
    const { body } = await ask({ method: 'POST', path: '/toy/orders', body: { options } });
    return { ...Order.parse(body), currency: 'EUR' };
  },
};
