import type { Provider } from "../providers/provider.ts";
import { connectAddress } from "./address.ts";
import type { OwnDestination } from "./destination.ts";
import { connectFunction } from "./function.ts";
import type { OnOwnFault } from "./loop-watch.ts";

/** Connects to a destination of your own. Sends nothing. Tells `onFault` of functions that throw or block the loop. */
export function createOwn(name: string, own: OwnDestination, onFault: OnOwnFault): Provider {
	const connector = own.url === undefined ? connectFunction(name, own, onFault) : connectAddress(name, own, onFault);
	return { name, title: name, ...connector };
}
