import { digestOf, readBuilt } from "../http/built-file.ts";
import { RequestError } from "../http/problem.ts";
import { ok, type Route } from "../http/route.ts";

/** Content policy that forbids inline code, other origins and frames: the page shows text of visitors and providers. */
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

const files = [
	{ path: "/console", file: "console.html", type: "text/html", summary: "The operators' page" },
	{ path: "/console/console.js", file: "console.js", type: "text/javascript", summary: "The page's script" },
	{ path: "/console/console.css", file: "console.css", type: "text/css", summary: "The page's style" },
];

/** Makes the console's routes: a page without data, which reads `/admin/*`. Its links are relative. */
export function consoleRoutes(): Route[] {
	return files.map(({ path, file, type, summary }) => {
		const body = readBuilt(`server/console/page/${file}`);
		const tag = body && `"${digestOf(body)}"`;
		const answer = ok("The file, which holds no data", { [type]: null });
		return {
			path,
			get: [
				{ summary, answer },
				(_request, response) => {
					if (!body) throw new RequestError("not_found", "the console has not been built: npm run build");
					response.set({
						"Content-Type": `${type}; charset=utf-8`,
						// Guard (SECURITY.md): console-policy
						"Content-Security-Policy": policy,
						"Cache-Control": "no-cache",
						ETag: tag,
						"X-Content-Type-Options": "nosniff",
						"Referrer-Policy": "no-referrer",
					});
					response.send(body);
				},
			],
		};
	});
}
