import type { Peer } from "../peer.ts";

export default {
	name: "Snowplow",
	source: `
		import { newTracker, trackStructEvent } from "@snowplow/browser-tracker";
		newTracker("shop", location.origin + "/snowplow", { appId: "shop" });
		window.track = (mark) => trackStructEvent({ category: "basket", action: "item added", label: "iPhone X", property: mark });
	`,
	answer: () => ({ status: 200, body: "ok" }),
} satisfies Peer;
