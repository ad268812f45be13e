/** Every provider, one line each; its name here is its name in the configuration, in routes and in the store. */
export { crisp } from "./crisp/crisp.ts";
export { helpcrunch } from "./helpcrunch/helpcrunch.ts";
export { vibetrace } from "./vibetrace/vibetrace.ts";
