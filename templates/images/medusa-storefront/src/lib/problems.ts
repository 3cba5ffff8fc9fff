/**
 * Why something that a visitor asked for did not happen. The address carries only the name: words
 * in a link could be anybody's.
 */
const words = {
  choice: 'Please choose what, and how many.',
  fields: 'Please fill in all fields but those marked “if you like”.',
  stock: 'That is not to be had in this number just now.',
  delivery: 'The shop does not deliver there yet.',
  away: 'The shop did not answer. Please try again in a moment.',
  payment: 'The order could not be completed. Please look it over and try again.',
} as const;

export type Problem = keyof typeof words;

/** The words for a problem named in an address; null for anything else. */
export function describeProblem(name: string | string[] | undefined): string | null {
  return typeof name === 'string' && Object.hasOwn(words, name) ? words[name as Problem] : null;
}
