import { hash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { Router } from "express";
import { onlyMethods, RequestError } from "../http/problem.ts";

/** The built page: beside the built server, or in dist/ when the server runs from source. */
const folder = ["./page/", "../../dist/server/console/page/"]
	.map((path) => new URL(path, import.meta.url))
	.find((url) => existsSync(new URL("console.js", url)));

/** Nothing inline, nothing from elsewhere, and in nobody's frame: what visitors and providers say is shown here. */
const policy = [
	"default-src 'none'",
	"script-src 'self'",
	"style-src 'self'",
	"connect-src 'self'",
	"img-src data:",
	"base-uri 'none'",
	"form-action 'none'",
	"frame-ancestors 'none'",
].join("; ");

const files = {
	"/console": ["console.html", "text/html"],
	"/console/console.js": ["console.js", "text/javascript"],
	"/console/console.css": ["console.css", "text/css"],
} as const;

/** The console: a page without data, that asks `/admin/*` for what it shows. Its addresses are relative to where it is. */
export function createConsole(): Router {
	const router = Router({ strict: true });
	for (const [path, [file, type]] of Object.entries(files)) {
		const body = folder && readFileSync(new URL(file, folder));
		const tag = body && `"${hash("sha256", body, "base64url").slice(0, 16)}"`;
		router.get(path, (request, response) => {
			if (!body) throw new RequestError("not_found", "the console has not been built: npm run build");
			response.set({
				"Content-Type": `${type}; charset=utf-8`,
				"Content-Security-Policy": policy,
				"Cache-Control": "no-cache",
				ETag: tag,
				"X-Content-Type-Options": "nosniff",
				"Referrer-Policy": "no-referrer",
			});
			if (request.fresh) response.status(304).end();
			else response.send(body);
		});
		router.all(path, onlyMethods("GET", "HEAD"));
	}
	// From there its relative addresses would lead elsewhere.
	router.get("/console/", (_request, response) => response.redirect(301, "../console"));
	return router;
}
