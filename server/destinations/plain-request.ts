import type { PlainRequest } from "../providers/node-dispatch.ts";

const plainOptions = new Set(["method", "headers", "body", "signal", "redirect"]);
const plainMethods = new Set(["GET", "POST", "PUT", "PATCH", "DELETE"]);

/** Returns the parts of a request to an address, with text or bytes as a body; undefined for any other. */
export function plainRequest(input: string | URL | Request, init: RequestInit): PlainRequest | undefined {
	const { method = "GET", body = null } = init;
	if (input instanceof Request || !URL.canParse(String(input))) return undefined;
	if (!Object.keys(init).every((option) => plainOptions.has(option))) return undefined;
	if (!plainMethods.has(method) || (method === "GET" && body !== null)) return undefined;
	if (!(body === null || typeof body === "string" || body instanceof Uint8Array)) return undefined;
	const url = new URL(input as string | URL);
	if (!/^https?:$/.test(url.protocol) || url.username || url.password) return undefined;
	const headers = new Headers(init.headers);
	// Sets the headers of `fetch`, but asks for an answer that is not packed.
	if (typeof body === "string" && !headers.has("content-type")) headers.set("content-type", "text/plain;charset=UTF-8");
	for (const [name, value] of [
		["accept", "*/*"],
		["accept-encoding", "identity"],
		["user-agent", "node"],
	] as const)
		if (!headers.has(name)) headers.set(name, value);
	return { url, method, headers, body };
}
