import { hash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { RequestHandler } from "express";
import { RequestError } from "./problem.ts";
import { type Operation, ok, type Route } from "./route.ts";

/** Seconds a browser and a CDN may keep the snippet; it is revalidated by ETag after that. */
const maxAge = 3_600;

/** The built snippet: beside the built server, or in dist/ when the server runs from source. */
function find(): URL | undefined {
	return ["../../client.js", "../../dist/client.js"]
		.map((path) => new URL(path, import.meta.url))
		.find((url) => existsSync(url));
}

/** The snippet as it is served; undefined where it has not been built. */
export function readSnippet(): Buffer | undefined {
	const file = find();
	return file && readFileSync(file);
}

const getSnippet: Operation = {
	summary: "The script for pages",
	answer: ok("The script", { "text/javascript": null }),
	problems: [],
};

/** `GET /client.js`, compressed once, as Brotli, gzip or plain. */
export const snippetRoute = (): Route => ({ path: "/client.js", get: [getSnippet, serveSnippet()] });

function serveSnippet(): RequestHandler {
	const plain = readSnippet();
	if (!plain) {
		return () => {
			throw new RequestError("not_found", "client.js has not been built: npm run build");
		};
	}
	const bodies = {
		br: brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
		gzip: gzipSync(plain, { level: 9 }),
		identity: plain,
	};
	const digest = hash("sha256", plain, "base64url").slice(0, 16);
	return (request, response) => {
		// Browsers name what they take in no order of liking: the smallest first.
		const encoding = (["br", "gzip"] as const).find((each) => request.acceptsEncodings(each)) ?? "identity";
		response.set({
			"Content-Type": "text/javascript; charset=utf-8",
			"Cache-Control": `public, max-age=${maxAge}`,
			ETag: `"${digest}-${encoding}"`,
			Vary: "Accept-Encoding",
			// A page of another origin loads it with `integrity`, which needs CORS; it holds no secret.
			"Access-Control-Allow-Origin": "*",
			// An app around the router may ask of its own files that they stay with it.
			"Cross-Origin-Resource-Policy": "cross-origin",
			"X-Content-Type-Options": "nosniff",
		});
		if (encoding !== "identity") response.set("Content-Encoding", encoding);
		if (request.fresh) response.status(304).end();
		else response.send(bodies[encoding]);
	};
}
