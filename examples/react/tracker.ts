import { createTracker } from "eventferry";

/** What this shop tracks: the events' names and their data. */
export type ShopEvents = {
	"basket:item:added": { product: string };
};

export const tracker = createTracker<ShopEvents>({ proxy: "/ferry", writeKey: "site_shop" });
