/** The goods a new shop starts with, so that its first order needs no work. Prices in euros. */

export interface SampleProduct {
  readonly handle: string;
  readonly title: string;
  readonly description: string;
  readonly option: string;
  readonly variants: readonly { readonly title: string; readonly euros: number }[];
}

export const sampleProducts: readonly SampleProduct[] = [
  {
    handle: 'stoneware-mug',
    title: 'Stoneware mug',
    description:
      'Thrown by hand and glazed twice. It holds 300 ml, keeps its heat, and sits well in both hands. Safe in the dishwasher.',
    option: 'Glaze',
    variants: [
      { title: 'Sand', euros: 24 },
      { title: 'Sage', euros: 24 },
      { title: 'Ink', euros: 26 },
    ],
  },
  {
    handle: 'morning-oolong',
    title: 'Morning oolong',
    description:
      'A lightly roasted oolong from a small mountain garden: orchid first, then toasted grain. Three infusions to a spoonful.',
    option: 'Weight',
    variants: [
      { title: '50 g', euros: 12 },
      { title: '200 g', euros: 39 },
    ],
  },
  {
    handle: 'linen-tea-towel',
    title: 'Linen tea towel',
    description:
      'Washed European linen, 50 × 70 cm, with a loop to hang it by. It dries glasses without a trace and softens with every wash.',
    option: 'Stripe',
    variants: [
      { title: 'Natural', euros: 18 },
      { title: 'Blue', euros: 18 },
    ],
  },
  {
    handle: 'beeswax-candle',
    title: 'Beeswax candle',
    description:
      'Pure beeswax and a cotton wick in a reusable glass. It burns for about forty hours and smells faintly of honey.',
    option: 'Size',
    variants: [
      { title: 'Small', euros: 16 },
      { title: 'Large', euros: 28 },
    ],
  },
  {
    handle: 'field-notebook',
    title: 'Field notebook',
    description:
      'Ninety-six pages of thick recycled paper, thread-sewn so that it lies flat, in a cover that may get wet.',
    option: 'Paper',
    variants: [
      { title: 'Ruled', euros: 14 },
      { title: 'Plain', euros: 14 },
      { title: 'Dotted', euros: 14 },
    ],
  },
  {
    handle: 'canvas-tote',
    title: 'Canvas tote',
    description:
      'Heavy organic cotton with long handles and one inside pocket. It carries a week of groceries and folds to nothing.',
    option: 'Colour',
    variants: [
      { title: 'Natural', euros: 32 },
      { title: 'Charcoal', euros: 32 },
    ],
  },
];

/** What a euro is about, where prices in the same figures would look odd. */
const unitsPerEuro: Readonly<Record<string, number>> = {
  SEK: 11,
  NOK: 12,
  DKK: 7.5,
  PLN: 4.3,
  CZK: 25,
  JPY: 160,
  INR: 95,
  BRL: 6,
  MXN: 20,
  ZAR: 20,
  HKD: 9,
  TRY: 45,
};

/** A sample's price in another currency, as round as a price tag. */
export function convertPrice(euros: number, currency: string): number {
  const amount = euros * (unitsPerEuro[currency] ?? 1);
  if (amount < 60) return Math.round(amount);
  return amount < 600 ? Math.round(amount / 5) * 5 : Math.round(amount / 50) * 50;
}
