/** The places of the portal, in the order of the navigation, and who sees them. */
import Activity from '@lucide/svelte/icons/activity';
import Boxes from '@lucide/svelte/icons/boxes';
import GitCommit from '@lucide/svelte/icons/git-commit-horizontal';
import Layers from '@lucide/svelte/icons/layers';
import ScrollText from '@lucide/svelte/icons/scroll-text';
import Store from '@lucide/svelte/icons/store';
import Users from '@lucide/svelte/icons/users';
import type { Component } from 'svelte';
import type { Me } from './shapes.ts';

/** Pages of the navigation; each new one is named here too. */
type PlaceRoute =
  `/(app)/${'stores' | 'changes' | 'fleet' | 'tenants' | 'members' | 'audit' | 'health'}`;

export type Place = {
  readonly route: PlaceRoute;
  readonly label: string;
  readonly icon: Component<{ size?: number | string }>;
  readonly isFor: (me: Me) => boolean;
};

export function isOperator(me: Me | null): boolean {
  return me?.user?.operator === true;
}

/** Whether they look after the tenant they act in: its owners, and operators anywhere. */
export function isOwner(me: Me | null): boolean {
  return isOperator(me) || me?.tenant?.role === 'owner';
}

export const PLACES: readonly Place[] = [
  { route: '/(app)/stores', label: 'Stores', icon: Store, isFor: () => true },
  {
    route: '/(app)/changes',
    label: 'Changes',
    icon: GitCommit,
    isFor: ({ tenant }) => tenant !== null,
  },
  { route: '/(app)/fleet', label: 'Fleet', icon: Boxes, isFor: isOperator },
  { route: '/(app)/tenants', label: 'Tenants', icon: Layers, isFor: isOperator },
  {
    route: '/(app)/members',
    label: 'Members',
    icon: Users,
    isFor: (me) => isOwner(me) && !isOperator(me),
  },
  { route: '/(app)/audit', label: 'Audit', icon: ScrollText, isFor: isOwner },
  { route: '/(app)/health', label: 'Health', icon: Activity, isFor: isOperator },
];

/** Whether a route is a place or below it. */
export function isAt(place: Place, route: string | null): boolean {
  return route === place.route || route?.startsWith(`${place.route}/`) === true;
}
