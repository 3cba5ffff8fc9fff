/** The portal in the browser: what the network drops is asked for again, and said in plain words. */
import type { ClientInit, HandleClientError } from '@sveltejs/kit/hooks';
import { askAgain } from '#lib/ask-again.ts';

export const init: ClientInit = () => {
  // The router takes whatever fetch there is when it loads.
  window.fetch = askAgain(window.fetch.bind(window));
};

export const handleError: HandleClientError = ({ kind, error }) => {
  if (kind !== 'unknown') return;
  console.error(error);
  if (error instanceof TypeError && /fetch|network|load failed/i.test(error.message))
    return {
      message: 'Shopyard cannot be reached.',
      hint: 'Your shops are not affected. Look whether you are online, and try again.',
    };
  return {
    message: 'Something went wrong in this page.',
    hint: 'Your shops are not affected. Try again; if it stays, tell the operator.',
  };
};
