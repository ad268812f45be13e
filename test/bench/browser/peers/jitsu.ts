import type { Peer } from "../peer.ts";

export default {
	name: "Jitsu",
	source: `
		import { jitsuAnalytics } from "@jitsu/js";
		const analytics = jitsuAnalytics({ host: location.origin + "/jitsu", writeKey: "0123456789:abcdef" });
		window.track = (mark) => analytics.track("basket:item:added", { product: "iPhone X", mark });
	`,
	answer: () => ({ status: 200, body: '{"ok":true,"destinations":[]}' }),
} satisfies Peer;
