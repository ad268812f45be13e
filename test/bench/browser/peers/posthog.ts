import type { Peer } from "../peer.ts";

export default {
	name: "PostHog",
	source: `
		import posthog from "posthog-js";
		posthog.init("phc_0123456789", {
			api_host: location.origin + "/posthog",
			autocapture: false,
			capture_pageview: false,
			capture_pageleave: false,
			disable_session_recording: true,
			disable_surveys: true,
			advanced_disable_flags: true,
			disable_external_dependency_loading: true,
			// PostHog ignores headless browsers by default, and the bench runs one.
			opt_out_useragent_filter: true,
		});
		window.track = (mark) => posthog.capture("basket:item:added", { product: "iPhone X", mark });
	`,
	answer: () => ({ status: 200, body: '{"status":1}' }),
} satisfies Peer;
