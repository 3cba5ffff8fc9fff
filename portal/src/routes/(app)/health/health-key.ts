/** What the page's data depends on. */
export const HEALTH = 'shopyard:health';
