import type { Peer } from "../peer.ts";

export default {
	name: "Amplitude",
	source: `
		import { init, track } from "@amplitude/analytics-browser";
		init("0123456789abcdef0123456789abcdef", {
			serverUrl: location.origin + "/amplitude",
			autocapture: false,
			fetchRemoteConfig: false,
			remoteConfig: { fetchRemoteConfig: false },
		});
		window.track = (mark) => track("basket:item:added", { product: "iPhone X", mark });
	`,
	answer: (body) => ({
		status: 200,
		body: JSON.stringify({
			code: 200,
			events_ingested: JSON.parse(body).events?.length,
			payload_size_bytes: body.length,
		}),
	}),
} satisfies Peer;
