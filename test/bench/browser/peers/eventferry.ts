import type { Peer } from "../peer.ts";

export default {
	name: "eventferry",
	file: "dist/client.js",
	source: `
		window.begin = () => eventferry.login({ email: "ada@example.com" });
		window.view = () => eventferry.page();
		window.track = (mark) => eventferry.track("basket:item:added", { product: "iPhone X", mark });
	`,
	answer: (body) => ({ status: 202, body: JSON.stringify({ accepted: JSON.parse(body).events.length, rejected: [] }) }),
} satisfies Peer;
