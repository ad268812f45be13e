import type { Peer } from "../peer.ts";

/** RudderStack's build with its plugins; the other build loads them from a CDN. */
export default {
	name: "RudderStack",
	source: `
		import { RudderAnalytics } from "@rudderstack/analytics-js/bundled";
		const analytics = new RudderAnalytics();
		analytics.load("0123456789", location.origin + "/rudderstack", { configUrl: location.origin + "/rudderstack" });
		window.track = (mark) => analytics.track("basket:item:added", { product: "iPhone X", mark });
	`,
	/** Settings of a source without destinations in the page. */
	settings: {
		"/rudderstack/sourceConfig/": {
			isHosted: true,
			source: {
				id: "shop",
				name: "shop",
				writeKey: "0123456789",
				enabled: true,
				workspaceId: "shop",
				updatedAt: "2026-01-01T00:00:00.000Z",
				config: { statsCollection: { errors: { enabled: false }, metrics: { enabled: false } } },
				dataplanes: {},
				destinations: [],
			},
			updatedAt: "2026-01-01T00:00:00.000Z",
		},
	},
	answer: () => ({ status: 200, body: "OK" }),
} satisfies Peer;
