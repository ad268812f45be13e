import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { RequestHandler } from "express";
import { digestOf, readBuilt } from "./built-file.ts";
import { RequestError } from "./problem.ts";
import { type Operation, ok, type Route } from "./route.ts";

/** Seconds that browsers and CDNs may use a script before they revalidate it by its ETag. */
const maxAge = 3_600;

/** Names of the scripts that pages load: the snippet, and what observes the calls of other trackers. */
export type ScriptName = "client.js" | "adopt.js";

/** Reads a script as it is served. Undefined if it has not been built. */
export const readScript = (name: ScriptName): Buffer | undefined => readBuilt(name);

const summaries: Record<ScriptName, string> = {
	"client.js": "The browser snippet",
	"adopt.js": "The script that observes the calls of other trackers in a page",
};

const getScript = (name: ScriptName): Operation => ({
	summary: summaries[name],
	answer: ok("The script", { "text/javascript": null }),
});

/** Makes the route of a script, which is sent as Brotli, gzip or plain, compressed once, at the first request. */
export const scriptRoute = (name: ScriptName): Route => ({
	path: `/${name}`,
	get: [getScript(name), serveScript(name)],
});

const encodings = (plain: Buffer) => ({
	br: brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
	gzip: gzipSync(plain, { level: 9 }),
	identity: plain,
});

function serveScript(name: ScriptName): RequestHandler {
	const plain = readScript(name);
	if (!plain) {
		return () => {
			throw new RequestError("not_found", `${name} has not been built: run npm run build`);
		};
	}
	let bodies: ReturnType<typeof encodings> | undefined;
	const digest = digestOf(plain);
	return (request, response) => {
		// Browsers accept all their encodings with the same weight, so the smallest is sent:
		// https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3
		const encoding = (["br", "gzip"] as const).find((each) => request.acceptsEncodings(each)) ?? "identity";
		response.set({
			"Content-Type": "text/javascript; charset=utf-8",
			"Cache-Control": `public, max-age=${maxAge}`,
			ETag: `"${digest}-${encoding}"`,
			Vary: "Accept-Encoding",
			// A script with `integrity` from another origin needs CORS:
			// https://developer.mozilla.org/docs/Web/Security/Subresource_Integrity
			"Access-Control-Allow-Origin": "*",
			// Helmet in the app around the router sets same-origin: https://helmetjs.github.io/#cross-origin-resource-policy
			"Cross-Origin-Resource-Policy": "cross-origin",
			"X-Content-Type-Options": "nosniff",
		});
		if (encoding !== "identity") response.set("Content-Encoding", encoding);
		bodies ??= encodings(plain);
		response.send(bodies[encoding]);
	};
}
