"use client";

import { createTracker } from "eventferry";
import { TrackerProvider } from "eventferry/react";
import { usePathname } from "next/navigation";
import { type ReactNode, useEffect } from "react";

/** Events of this shop: their names and their data. */
export type ShopEvents = {
	"basket:item:added": { product: string };
};

// Records nothing on the server.
const tracker = createTracker<ShopEvents>({ proxy: "/ferry", writeKey: "site_shop" });

export function Tracking({ children }: { children: ReactNode }) {
	const path = usePathname();
	useEffect(() => tracker.page(), [path]);
	return <TrackerProvider tracker={tracker}>{children}</TrackerProvider>;
}
