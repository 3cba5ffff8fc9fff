/** The message of a form action, on its way to the next page (server/flash.ts). */
export type Flash = {
  readonly id: string;
  readonly kind: 'done' | 'problem';
  readonly message: string;
};

export const FLASH_COOKIE = 'flash';
