import type { Peer } from "../peer.ts";

/** Tracker of Umami, a file without dependencies; its package is the whole app, with 370 of them. */
export default {
	name: "Umami",
	tarball: {
		spec: "umami@2.10.0",
		integrity: "sha512-+lmrnV0751R6U2rkIgVAlE1nWI7yZawlMlJDguW9tlFacCKhnGeCyc7tCMIhNNYIiGIQy4DEX5IzJhm4b3+dPA==",
		file: "src/tracker/index.js",
	},
	source: `
		for (const [name, value] of [["website-id", "8f4d1a0e-0000-4000-8000-000000000000"], ["host-url", location.origin + "/umami"], ["auto-track", "false"]]) {
			document.currentScript.setAttribute("data-" + name, value);
		}
		/* the file */;
		window.track = (mark) => umami.track("basket:item:added", { product: "iPhone X", mark });
	`,
	answer: () => ({ status: 200, body: "a-token-of-its-cache" }),
} satisfies Peer;
