import type { Request, Response } from "express";
import { RequestError } from "../http/problem.ts";
import { basicUser, sameSecret } from "../http/secret.ts";
import type { IngestSite } from "../ingest/ingest.ts";

/**
 * Makes the handlers for the settings that browser libraries load before they send. These name no destination, so that
 * the libraries load no other script: all destinations are the proxy's.
 */
export function createSettings(sites: readonly IngestSite[]) {
	function writeKeyOf(given: unknown): string {
		const site = sites.find(({ writeKey }) => sameSecret(String(given), writeKey));
		if (!site) throw new RequestError("not_found", "no site has this write key");
		return site.writeKey;
	}

	return {
		/** Answers Segment's library: https://segment.com/docs/connections/sources/catalog/libraries/website/javascript/ */
		settings({ params }: Request, response: Response): void {
			response.json({ integrations: { "Segment.io": { apiKey: writeKeyOf(params.key) } } });
		},
		/** Answers RudderStack's library: https://www.rudderstack.com/docs/sources/event-streams/sdks/rudderstack-javascript-sdk/ */
		sourceConfig({ headers, url }: Request, response: Response): void {
			// The app around the router decides how Express parses `request.query`, so it is not used.
			const key = basicUser(headers.authorization) ?? new URLSearchParams(url.split("?")[1]).get("writeKey");
			const writeKey = writeKeyOf(key);
			const off = { enabled: false };
			const config = { statsCollection: { errors: off, metrics: off } };
			const source = {
				id: writeKey,
				name: "eventferry",
				writeKey,
				enabled: true,
				config,
				connections: [],
				destinations: [],
			};
			response.json({ source });
		},
	};
}
