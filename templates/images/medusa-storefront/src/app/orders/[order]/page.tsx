import type { Metadata } from 'next';
import Link from 'next/link';
import { notFound } from 'next/navigation';
import type { ReactNode } from 'react';
import { BasketLines, BasketSums } from '../../../components/basket.tsx';
import { findOrder } from '../../../lib/cart.ts';

export const metadata: Metadata = { title: 'Your order', robots: { index: false } };

interface Properties {
  readonly params: Promise<{ readonly order: string }>;
}

export default async function OrderPage({ params }: Properties): Promise<ReactNode> {
  const order = await findOrder((await params).order);
  if (order === null) notFound();
  const address = order.shipping_address;
  return (
    <div className="confirmation">
      <p className="kicker">Thank you</p>
      <h1>Order {order.display_id} is placed</h1>
      <p className="lead">
        The shop has it, and will write to <strong>{order.email}</strong> about how to pay.
      </p>
      <section className="summary" aria-label="What you ordered">
        <BasketLines basket={order} />
        <BasketSums basket={order} />
      </section>
      {address !== null && (
        <section className="delivery" aria-label="Where it goes">
          <h2>It goes to</h2>
          <address>
            {address.first_name} {address.last_name}
            <br />
            {address.address_1}
            {address.address_2 !== null && address.address_2 !== '' && `, ${address.address_2}`}
            <br />
            {address.postal_code} {address.city}
          </address>
        </section>
      )}
      <Link className="button" href="/">
        Back to the shop
      </Link>
    </div>
  );
}
