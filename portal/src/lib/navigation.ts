/** The places of the portal, in the order of the navigation, and who sees them. */
import Store from '@lucide/svelte/icons/store';
import type { Component } from 'svelte';
import type { Me } from './shapes.ts';

/** Pages of the navigation; each new one is named here too. */
type PlaceRoute = '/(app)/stores';

export type Place = {
  readonly route: PlaceRoute;
  readonly label: string;
  readonly icon: Component<{ size?: number | string }>;
  readonly isFor: (me: Me) => boolean;
};

export const PLACES: readonly Place[] = [
  { route: '/(app)/stores', label: 'Stores', icon: Store, isFor: () => true },
];

/** Whether a route is a place or below it. */
export function isAt(place: Place, route: string | null): boolean {
  return route === place.route || route?.startsWith(`${place.route}/`) === true;
}
