import type { Peer } from "../peer.ts";

export default {
	name: "Segment",
	source: `
		import { AnalyticsBrowser } from "@segment/analytics-next";
		const analytics = AnalyticsBrowser.load(
			{ writeKey: "0123456789", cdnURL: location.origin + "/segment" },
			{ integrations: { "Segment.io": { apiHost: location.host + "/segment/v1", protocol: location.protocol.slice(0, -1) } } },
		);
		window.track = (mark) => analytics.track("basket:item:added", { product: "iPhone X", mark });
	`,
	/** Settings of a source without destinations in the page. */
	settings: {
		"/segment/v1/projects/0123456789/settings": {
			integrations: {
				"Segment.io": { apiKey: "0123456789", versionSettings: { version: "4.4.7", componentTypes: ["browser"] } },
			},
			plan: { track: { __default: { enabled: true, integrations: {} } } },
			edgeFunction: {},
			analyticsNextEnabled: true,
			middlewareSettings: {},
			enabledMiddleware: {},
			metrics: { sampleRate: 0 },
			legacyVideoPluginsEnabled: false,
			remotePlugins: [],
		},
	},
	answer: () => ({ status: 200, body: '{"success":true}' }),
} satisfies Peer;
