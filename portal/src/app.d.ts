import type { Me } from '#lib/shapes.ts';

declare global {
  namespace App {
    interface Error {
      status: number;
      message: string;
      /** What one can do about it. */
      hint?: string;
      /** The request's id, as in the log. */
      request?: string;
    }
    interface Locals {
      /** Who asks; null without a session. */
      me: Me | null;
      /** Set-Cookie headers of API answers, which go out with ours. */
      setCookies: string[];
    }
    interface PageData {
      title?: string;
    }
  }
}
