import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { RequestHandler } from "express";
import { digestOf, readBuilt } from "./built-file.ts";
import { RequestError } from "./problem.ts";
import { type Operation, ok, type Route } from "./route.ts";

/** Seconds that browsers and CDNs may use the snippet before they revalidate it by its ETag. */
const maxAge = 3_600;

/** Reads the snippet as it is served. Undefined if it has not been built. */
export const readSnippet = (): Buffer | undefined => readBuilt("client.js");

const getSnippet: Operation = {
	summary: "The browser snippet",
	answer: ok("The script", { "text/javascript": null }),
};

/** Makes the route `GET /client.js`: the snippet as Brotli, gzip or plain, compressed once, at the first request. */
export const snippetRoute = (): Route => ({ path: "/client.js", get: [getSnippet, serveSnippet()] });

const encodings = (plain: Buffer) => ({
	br: brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
	gzip: gzipSync(plain, { level: 9 }),
	identity: plain,
});

function serveSnippet(): RequestHandler {
	const plain = readSnippet();
	if (!plain) {
		return () => {
			throw new RequestError("not_found", "client.js has not been built: run npm run build");
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
