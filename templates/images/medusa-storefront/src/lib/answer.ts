/** Answers to forms: on to a page of this site, whatever address the visitor came by. */

import { BackendAway } from './backend.ts';
import type { Problem } from './problems.ts';

/** Redirects after a form, by a path alone: the pod does not know its own address. */
export function goTo(path: string, problem?: Problem): Response {
  const location = problem === undefined ? path : `${path}?problem=${problem}`;
  return new Response(null, { status: 303, headers: { location } });
}

/** Answers a form; when the backend is away, sends the visitor back to try again. */
export async function answerForm(back: string, act: () => Promise<Response>): Promise<Response> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof BackendAway)) throw error;
    console.warn(error.message);
    return goTo(back, 'away');
  }
}

/** Reads how many pieces a form asks for: a whole number within bounds, else null. */
export function readQuantity(value: FormDataEntryValue | null, least: number): number | null {
  if (typeof value !== 'string' || !/^\d{1,3}$/.test(value.trim())) return null;
  const quantity = Number(value);
  return quantity >= least && quantity <= mostPieces ? quantity : null;
}

/** Pieces of one variant that one order may have. */
export const mostPieces = 99;
