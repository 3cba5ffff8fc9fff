import type { Metadata } from 'next';
import { redirect } from 'next/navigation';
import type { ReactNode } from 'react';
import { BasketLines, BasketSums } from '../../components/basket.tsx';
import { Notice, type ProblemSearch } from '../../components/notice.tsx';
import { findCart, listShippingOptions, type Cart, type ShippingOption } from '../../lib/cart.ts';
import type { CheckoutField } from '../../lib/checkout.ts';
import { formatPrice } from '../../lib/money.ts';

export const metadata: Metadata = { title: 'Check out' };

interface Properties {
  readonly searchParams: Promise<ProblemSearch>;
}

export default async function CheckoutPage({ searchParams }: Properties): Promise<ReactNode> {
  const cart = await findCart();
  if (cart === null || (cart.items ?? []).length === 0) redirect('/cart');
  const search = await searchParams;
  const options = await listShippingOptions(cart.id);
  return (
    <>
      <h1>Check out</h1>
      <Notice {...search} />
      <div className="split">
        <form className="checkout" method="post" action="/checkout/order">
          <fieldset>
            <legend>Contact</legend>
            <Field cart={cart} name="email" label="E-mail" type="email" complete="email" />
            <Field cart={cart} name="phone" label="Phone" type="tel" complete="tel" isOptional />
          </fieldset>
          <fieldset>
            <legend>Deliver to</legend>
            <Field cart={cart} name="first_name" label="First name" complete="given-name" isHalf />
            <Field cart={cart} name="last_name" label="Last name" complete="family-name" isHalf />
            <Field
              cart={cart}
              name="address_1"
              label="Street and number"
              complete="address-line1"
            />
            <Field
              cart={cart}
              name="address_2"
              label="Flat, floor, care of"
              complete="address-line2"
              isOptional
            />
            <Field
              cart={cart}
              name="postal_code"
              label="Postal code"
              complete="postal-code"
              isHalf
            />
            <Field cart={cart} name="city" label="City" complete="address-level2" isHalf />
            <CountryField cart={cart} />
          </fieldset>
          {options.length > 0 && <ShippingChoice cart={cart} options={options} />}
          <fieldset>
            <legend>Payment</legend>
            <p className="explanation">
              Nothing is charged now. The shop will write to you about how to pay.
            </p>
          </fieldset>
          <button className="button button-wide">Place the order</button>
        </form>
        <section className="summary" aria-label="Your order">
          <BasketLines basket={cart} />
          <BasketSums
            basket={cart}
            delivery={options.length === 1 ? (options[0]?.amount ?? 0) : 'as you choose'}
          />
        </section>
      </div>
    </>
  );
}

interface FieldProperties {
  readonly cart: Cart;
  readonly name: CheckoutField;
  readonly label: string;
  readonly complete: string;
  readonly type?: 'text' | 'email' | 'tel';
  readonly isOptional?: boolean;
  readonly isHalf?: boolean;
}

function Field(properties: FieldProperties): ReactNode {
  const { cart, name, label, complete, type = 'text', isOptional = false } = properties;
  return (
    <label className={properties.isHalf === true ? 'field field-half' : 'field'}>
      <span>
        {label}
        {isOptional && <small> (if you like)</small>}
      </span>
      <input
        type={type}
        name={name}
        autoComplete={complete}
        defaultValue={readKnown(cart, name)}
        maxLength={200}
        required={!isOptional}
      />
    </label>
  );
}

/** What was entered before, when the order was refused. */
function readKnown(cart: Cart, name: CheckoutField): string {
  return (name === 'email' ? cart.email : cart.shipping_address?.[name]) ?? '';
}

function CountryField({ cart }: { readonly cart: Cart }): ReactNode {
  const countries = cart.region?.countries ?? [];
  const known = readKnown(cart, 'country_code');
  return (
    <label className="field">
      <span>Country</span>
      <select
        name="country_code"
        autoComplete="country"
        defaultValue={known === '' ? countries[0]?.iso_2 : known}
        required
      >
        {countries.map(({ iso_2, display_name }) => (
          <option key={iso_2} value={iso_2}>
            {display_name}
          </option>
        ))}
      </select>
    </label>
  );
}

function ShippingChoice({
  cart,
  options,
}: {
  readonly cart: Cart;
  readonly options: readonly ShippingOption[];
}): ReactNode {
  const chosen = cart.shipping_methods?.[0]?.shipping_option_id ?? options[0]?.id;
  return (
    <fieldset className="choices">
      <legend>Delivery</legend>
      {options.map((option) => (
        <label key={option.id} className="choice">
          <input
            type="radio"
            name="shipping_option"
            value={option.id}
            defaultChecked={option.id === chosen}
            required
          />
          <span>
            {option.name}
            {option.type?.description != null && <small>{option.type.description}</small>}
          </span>
          <span className="amount">{formatPrice(option.amount ?? 0, cart.currency_code)}</span>
        </label>
      ))}
    </fieldset>
  );
}
