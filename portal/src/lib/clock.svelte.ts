/** The time as pages show it: one timer for everything that ticks, and none when nothing does. */
import { createSubscriber } from 'svelte/reactivity';

const tick = createSubscriber((update) => {
  const timer = setInterval(update, 1000);
  return () => clearInterval(timer);
});

export const clock = {
  /** Now; whoever reads it while rendering is rendered again every second. */
  get now(): Date {
    tick();
    // A new one each time: nobody holds on to it, nobody changes it.
    // eslint-disable-next-line svelte/prefer-svelte-reactivity
    return new Date();
  },
};
