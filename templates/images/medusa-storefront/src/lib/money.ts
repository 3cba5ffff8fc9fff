/** Formats an amount in the currency's main unit: `€24.00`, `¥3,800`. */
export function formatPrice(amount: number, currency: string): string {
  return new Intl.NumberFormat('en', { style: 'currency', currency }).format(amount);
}
