/** What a load depends on whose data the event stream keeps current. */
export const LIVE = 'shopyard:live';
