import { createTracker } from "eventferry";

/** Events of this shop: their names and their data. */
export type ShopEvents = {
	"basket:item:added": { product: string };
};

export const tracker = createTracker<ShopEvents>({ proxy: "/ferry", writeKey: "site_shop" });
