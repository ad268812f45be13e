import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { fileURLToPath } from "node:url";
import { type RequestHandler, Router } from "express";
import type { Sandbox } from "./index.ts";
import type { SandboxRequest } from "./record.ts";
import { sandboxSwitches } from "./switches.ts";

const folder = fileURLToPath(new URL("./public/", import.meta.url));
const maxPastRequests = 200;

/** Tells what the sandbox is and where to begin. Not on stdout, where scripts read the one line with the address. */
export const sandboxWords = (url: string) => `
This is the sandbox: Crisp, HelpCrunch and Vibetrace are simulated, and nothing leaves this computer.
  The shop      ${url}/         browse, log in, buy, and see what each provider receives
  The console   ${url}/console  what an operator sees: no token is needed here
  Make Crisp fail with the switches on the shop's page (an outage, 429, a refused key, slow answers), or with
    curl ${url}/sandbox/switches --json '{ "destination": "crisp", "trouble": "outage" }'   ("none" ends it)
`;

/**
 * The shop page of `serve --sandbox`: a small shop that uses the real snippet, beside a live log of what the simulated
 * providers received. Belongs at the root of the app that also serves `/client.js` and `/v1/batch`.
 */
export function sandboxPage({ sandbox, writeKey }: { sandbox: Sandbox; writeKey: string }): Router {
	const page = readFileSync(`${folder}shop.html`, "utf8").replaceAll("{{writeKey}}", () => escaped(writeKey));
	const router = Router();
	// Guard (SECURITY.md): sandbox-page-host
	router.use(["/sandbox", /^\/$/], onlyByPrivateName);

	router.get("/", (_request, response) => {
		response.set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; frame-ancestors 'none'");
		response.set("Cache-Control", "no-cache");
		response.type("html").send(page);
	});

	router.use(sandboxSwitches(sandbox));

	for (const file of ["shop.css", "shop.js", "switches.js", "shop.svg"])
		router.get(`/sandbox/${file}`, (_request, response) => response.sendFile(file, { root: folder }));

	router.get("/sandbox/log", (_request, response) => {
		response.set({ "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
		response.flushHeaders();
		const write = (request: SandboxRequest) => response.write(`data: ${JSON.stringify(request)}\n\n`);
		const answered = sandbox.requests().filter((request) => request.status !== undefined);
		for (const request of answered.slice(-maxPastRequests)) write(request);
		const stopListening = sandbox.onRequest(write);
		const end = () => response.end();
		sandbox.stopped.addEventListener("abort", end);
		response.once("close", () => {
			stopListening();
			sandbox.stopped.removeEventListener("abort", end);
		});
	});

	return router;
}

/**
 * Refuses requests to a public host name: an attacker could point one at this machine and read the page (DNS rebinding,
 * https://en.wikipedia.org/wiki/DNS_rebinding). IP addresses and names without a dot are safe.
 */
const onlyByPrivateName: RequestHandler = ({ headers: { host = "" } }, response, next) => {
	const { hostname } = URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : { hostname: "" };
	if (isIP(hostname.replace(/^\[|\]$/g, "")) || /^[^.]+(\.localhost)?$/.test(hostname)) return next();
	response.status(403).type("text").send("The sandbox answers only requests to an IP address or a local name.\n");
};

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
