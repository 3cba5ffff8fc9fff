/** What the control plane and its forge process say to each other. */
import type { ForgeServerOptions } from './server.ts';
import type { PushNotice } from './types.ts';

export type ForgeSettings = Omit<ForgeServerOptions, 'onPush' | 'log'>;

export type ToForge =
  { readonly kind: 'start'; readonly settings: ForgeSettings } | { readonly kind: 'stop' };

export type FromForge =
  | { readonly kind: 'started'; readonly port: number }
  | {
      readonly kind: 'failed';
      readonly code: string;
      readonly message: string;
      readonly retryable: boolean;
      readonly hint: string | undefined;
      readonly field: string | undefined;
    }
  | { readonly kind: 'pushed'; readonly notice: PushNotice }
  | { readonly kind: 'log'; readonly level: 'info' | 'warn'; readonly message: string };
