/** What the process that mounts the portal tells it. */
import { defineEnvVars } from '@sveltejs/kit/env';

export const variables = defineEnvVars({
  SHOPYARD_API_URL: {
    description: 'Where the control plane answers; default: where it does by default',
    schema: (value) => new URL(value ?? 'http://127.0.0.1:8080').origin,
  },
  SHOPYARD_PORTAL_SECRET: {
    description: 'Proves to the control plane that a forwarded client address is ours',
    schema: (value) => value ?? '',
  },
});
