import { createTracker, type Tracker } from "eventferry";
import { type InjectionKey, inject, type Plugin } from "vue";

/** Events of this shop: their names and their data. */
type ShopEvents = {
	"basket:item:added": { product: string };
};

const key: InjectionKey<Tracker<ShopEvents>> = Symbol("tracker");

/** Plugin that provides the tracker: `app.use(tracking)`. */
export const tracking: Plugin = {
	install(app) {
		app.provide(key, createTracker<ShopEvents>({ proxy: "/ferry", writeKey: "site_shop" }));
	},
};

export function useTracker(): Tracker<ShopEvents> {
	const tracker = inject(key);
	if (!tracker) throw new Error("useTracker: app.use(tracking) is missing");
	return tracker;
}
