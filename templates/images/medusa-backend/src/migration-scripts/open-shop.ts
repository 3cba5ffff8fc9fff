/**
 * Runs once, on a new database: makes what a first sale needs. A region with the store's country and
 * currency, manual payment, one way of shipping, and, if wished, sample goods. A run that was
 * interrupted is run again, so each part is looked for first. From then on it is the merchant's.
 */
import type { MedusaContainer } from '@medusajs/framework/types';
import { ContainerRegistrationKeys, Modules, ProductStatus } from '@medusajs/framework/utils';
import {
  createDefaultsWorkflow,
  createProductsWorkflow,
  createRegionsWorkflow,
  createShippingOptionsWorkflow,
  createShippingProfilesWorkflow,
  createStockLocationsWorkflow,
  createTaxRegionsWorkflow,
  linkSalesChannelsToStockLocationWorkflow,
  updateStoresWorkflow,
} from '@medusajs/medusa/core-flows';
import { convertPrice, sampleProducts } from '../shop/samples.ts';

/** Flat, in euros. */
const shippingPrice = 5;

export default async function openShop({
  container,
}: {
  readonly container: MedusaContainer;
}): Promise<void> {
  const { env } = process;
  const currency = (env.OPTION_CURRENCY ?? 'EUR').toUpperCase();
  const country = (env.OPTION_COUNTRY ?? 'DE').toUpperCase();
  const salesChannel = await nameStore(container, env.STORE_NAME ?? 'Shop', currency);
  await makeRegion(container, country, currency);
  const profile = await findShippingProfile(container);
  await makeShipping(container, { country, currency, salesChannel, profile });
  if (env.OPTION_SAMPLES !== 'false') {
    await makeSamples(container, { currency, salesChannel, profile });
  }
}

/** Gives the store its name and its only currency; returns its sales channel. */
async function nameStore(
  container: MedusaContainer,
  name: string,
  currency: string,
): Promise<string> {
  await createDefaultsWorkflow(container).run();
  const [store] = await container.resolve(Modules.STORE).listStores({}, { take: 1 });
  const salesChannel = store?.default_sales_channel_id;
  if (store === undefined || salesChannel === undefined || salesChannel === null) {
    throw new Error('Medusa made no store');
  }
  await updateStoresWorkflow(container).run({
    input: {
      selector: { id: store.id },
      update: {
        name,
        supported_currencies: [{ currency_code: currency.toLowerCase(), is_default: true }],
      },
    },
  });
  return salesChannel;
}

async function makeRegion(
  container: MedusaContainer,
  country: string,
  currency: string,
): Promise<void> {
  const countryCode = country.toLowerCase();
  const [known] = await container.resolve(Modules.REGION).listRegions({}, { take: 1 });
  if (known === undefined) {
    await createRegionsWorkflow(container).run({
      input: {
        regions: [
          {
            name: nameCountry(country),
            currency_code: currency.toLowerCase(),
            countries: [countryCode],
            payment_providers: ['pp_system_default'],
          },
        ],
      },
    });
  }
  const tax = container.resolve(Modules.TAX);
  const [taxed] = await tax.listTaxRegions({ country_code: countryCode });
  if (taxed === undefined) {
    await createTaxRegionsWorkflow(container).run({
      input: [{ country_code: countryCode, provider_id: 'tp_system' }],
    });
  }
}

function nameCountry(country: string): string {
  return new Intl.DisplayNames(['en'], { type: 'region' }).of(country) ?? country;
}

async function findShippingProfile(container: MedusaContainer): Promise<string> {
  const [known] = await container
    .resolve(Modules.FULFILLMENT)
    .listShippingProfiles({ type: 'default' });
  if (known !== undefined) return known.id;
  const made = await createShippingProfilesWorkflow(container).run({
    input: { data: [{ name: 'Default', type: 'default' }] },
  });
  const [profile] = made.result;
  if (profile === undefined) throw new Error('no shipping profile was made');
  return profile.id;
}

async function makeShipping(
  container: MedusaContainer,
  shop: {
    readonly country: string;
    readonly currency: string;
    readonly salesChannel: string;
    readonly profile: string;
  },
): Promise<void> {
  const fulfillment = container.resolve(Modules.FULFILLMENT);
  const [offered] = await fulfillment.listShippingOptions({}, { take: 1 });
  if (offered !== undefined) return;

  const location = await findStockLocation(container, shop.country);
  const link = container.resolve(ContainerRegistrationKeys.LINK);
  const stock = { [Modules.STOCK_LOCATION]: { stock_location_id: location } };
  await link.create({
    ...stock,
    [Modules.FULFILLMENT]: { fulfillment_provider_id: 'manual_manual' },
  });
  const zones = await findDeliveryZones(container, shop.country);
  await link.create({ ...stock, [Modules.FULFILLMENT]: { fulfillment_set_id: zones.set } });
  await linkSalesChannelsToStockLocationWorkflow(container).run({
    input: { id: location, add: [shop.salesChannel] },
  });
  await createShippingOptionsWorkflow(container).run({
    input: [
      {
        name: 'Standard delivery',
        price_type: 'flat',
        provider_id: 'manual_manual',
        service_zone_id: zones.home,
        shipping_profile_id: shop.profile,
        type: { label: 'Standard', description: 'In two to four days.', code: 'standard' },
        prices: [
          {
            currency_code: shop.currency.toLowerCase(),
            amount: convertPrice(shippingPrice, shop.currency),
          },
        ],
        rules: [
          { attribute: 'enabled_in_store', value: 'true', operator: 'eq' },
          { attribute: 'is_return', value: 'false', operator: 'eq' },
        ],
      },
    ],
  });
}

async function findStockLocation(container: MedusaContainer, country: string): Promise<string> {
  const [known] = await container
    .resolve(Modules.STOCK_LOCATION)
    .listStockLocations({}, { take: 1 });
  if (known !== undefined) return known.id;
  const made = await createStockLocationsWorkflow(container).run({
    input: {
      locations: [{ name: 'Warehouse', address: { address_1: '', country_code: country } }],
    },
  });
  const [location] = made.result;
  if (location === undefined) throw new Error('no stock location was made');
  return location.id;
}

async function findDeliveryZones(
  container: MedusaContainer,
  country: string,
): Promise<{ readonly set: string; readonly home: string }> {
  const fulfillment = container.resolve(Modules.FULFILLMENT);
  const name = 'Delivery';
  const [known] = await fulfillment.listFulfillmentSets({ name }, { relations: ['service_zones'] });
  const set =
    known ??
    (await fulfillment.createFulfillmentSets({
      name,
      type: 'shipping',
      service_zones: [
        {
          name: nameCountry(country),
          geo_zones: [{ type: 'country', country_code: country.toLowerCase() }],
        },
      ],
    }));
  const [home] = set.service_zones;
  if (home === undefined) throw new Error('no delivery zone was made');
  return { set: set.id, home: home.id };
}

async function makeSamples(
  container: MedusaContainer,
  shop: { readonly currency: string; readonly salesChannel: string; readonly profile: string },
): Promise<void> {
  const known = await container
    .resolve(Modules.PRODUCT)
    .listProducts({ handle: sampleProducts.map(({ handle }) => handle) });
  const handles = new Set(known.map(({ handle }) => handle));
  const missing = sampleProducts.filter(({ handle }) => !handles.has(handle));
  if (missing.length === 0) return;
  await createProductsWorkflow(container).run({
    input: {
      products: missing.map((sample) => ({
        handle: sample.handle,
        title: sample.title,
        description: sample.description,
        status: ProductStatus.PUBLISHED,
        // The storefront brings the pictures, at the same address.
        thumbnail: `/samples/${sample.handle}.svg`,
        images: [{ url: `/samples/${sample.handle}.svg` }],
        shipping_profile_id: shop.profile,
        sales_channels: [{ id: shop.salesChannel }],
        options: [{ title: sample.option, values: sample.variants.map(({ title }) => title) }],
        variants: sample.variants.map(({ title, euros }, rank) => ({
          title,
          variant_rank: rank,
          options: { [sample.option]: title },
          manage_inventory: false,
          prices: [
            {
              currency_code: shop.currency.toLowerCase(),
              amount: convertPrice(euros, shop.currency),
            },
          ],
        })),
      })),
    },
  });
}
