import type { Peer } from "../peer.ts";

export default {
	name: "Plausible",
	source: `
		import Plausible from "plausible-tracker";
		const plausible = Plausible({ domain: "shop.example", apiHost: location.origin + "/plausible", trackLocalhost: true });
		plausible.enableAutoPageviews();
		window.track = (mark) => plausible.trackEvent("basket:item:added", { props: { product: "iPhone X", mark } });
	`,
	answer: () => ({ status: 202, body: "ok" }),
} satisfies Peer;
