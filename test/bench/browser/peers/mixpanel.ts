import type { Peer } from "../peer.ts";

export default {
	name: "Mixpanel",
	source: `
		import mixpanel from "mixpanel-browser";
		mixpanel.init("0123456789abcdef0123456789abcdef", {
			api_host: location.origin + "/mixpanel",
			autocapture: false,
			track_pageview: false,
		});
		window.track = (mark) => mixpanel.track("basket:item:added", { product: "iPhone X", mark });
	`,
	read: (body) => Buffer.from(new URLSearchParams(body).get("data") ?? "", "base64").toString(),
	answer: () => ({ status: 200, body: '{"status":1,"error":null}' }),
} satisfies Peer;
