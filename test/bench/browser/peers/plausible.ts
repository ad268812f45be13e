import type { Peer } from "../peer.ts";

export default {
	name: "Plausible",
	source: `
		import { init, track } from "@plausible-analytics/tracker";
		init({
			domain: "shop.example",
			endpoint: location.origin + "/plausible/api/event",
			autoCapturePageviews: false,
			captureOnLocalhost: true,
		});
		window.view = () => track("pageview", {});
		window.track = (mark) => track("basket:item:added", { props: { product: "iPhone X", mark } });
	`,
	answer: () => ({ status: 202, body: "ok" }),
} satisfies Peer;
