import { createHmac } from "node:crypto";
import type { RunningProxy } from "./proxy.ts";

export const crispSecret = "crisp-hook-secret-7d10";
export const crispKey = "crisp-hook-key-7d10";
export const helpcrunchSecret = "helpcrunch-hook-secret-7d10";

/** Body of a web hook from Crisp. */
export const crispBody = (websiteId: string, event: string, data: object, timestamp = Date.now()): string =>
	JSON.stringify({ website_id: websiteId, event, data: { website_id: websiteId, ...data }, timestamp });

export const crispSignature = (body: string, timestamp: string | number, secret = crispSecret): string =>
	createHmac("sha256", secret).update(`[${timestamp};${body}]`).digest("hex");

/** Headers of a web hook from Crisp to a plugin. */
export const crispHeaders = (body: string, timestamp: string | number = Date.now(), secret = crispSecret) => ({
	"x-crisp-request-timestamp": String(timestamp),
	"x-crisp-signature": crispSignature(body, timestamp, secret),
});

export const helpcrunchBody = (event: string, eventData: object, id: string | number = crypto.randomUUID()): string =>
	JSON.stringify({ event, eventData, attempts: 1, lastAttemptAt: null, createdAt: `${Date.now() / 1_000}`, id });

export const helpcrunchHeaders = (body: string, secret = helpcrunchSecret) => ({
	"x-helpcrunch-signature": createHmac("sha1", secret).update(body).digest("hex"),
});

/** Posts a web hook as the provider would. */
export const postHook = (
	url: string,
	path: string,
	body: string,
	headers: Record<string, string> = {},
): Promise<Response> =>
	fetch(`${url}/v1/hooks/${path}`, {
		method: "POST",
		headers: { "content-type": "application/json", "user-agent": "node", ...headers },
		body,
	});

/** Sends a report as the site's Crisp would. Resolves to whether it was a repeat. */
export async function crispReports({ url, sandbox }: RunningProxy, event: string, data: object): Promise<boolean> {
	const body = crispBody(sandbox.destinations.crisp.websiteId, event, data);
	const response = await postHook(url, "crisp", body, crispHeaders(body));
	if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
	return ((await response.json()) as { repeated: boolean }).repeated;
}

/** Sends a report as the site's HelpCrunch would. Resolves to whether it was a repeat. */
export async function helpcrunchReports({ url }: RunningProxy, event: string, data: object): Promise<boolean> {
	const body = helpcrunchBody(event, data);
	const response = await postHook(url, "helpcrunch", body, helpcrunchHeaders(body));
	if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
	return ((await response.json()) as { repeated: boolean }).repeated;
}
