import type { Provider } from "../providers/provider.ts";
import { connectAddress } from "./address.ts";
import type { OwnDestination } from "./destination.ts";
import { connectFunction } from "./function.ts";
import type { OnBlocked } from "./loop-watch.ts";

/** Connects to a destination of your own. Sends nothing. Tells `onBlocked` of functions that block the loop. */
export function createOwn(name: string, own: OwnDestination, onBlocked: OnBlocked): Provider {
	const connector =
		own.url === undefined ? connectFunction(name, own, onBlocked) : connectAddress(name, own, onBlocked);
	return { name, title: name, ...connector };
}
