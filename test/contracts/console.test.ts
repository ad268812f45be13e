import { afterEach, expect, it } from "vitest";
import { adminToken, event, problemOf, type RunningProxy, runProxy, serverKey, writeKey } from "../support/proxy.ts";

let running: RunningProxy | undefined;
afterEach(async () => {
	await running?.stop();
	running = undefined;
});
async function run(): Promise<RunningProxy> {
	running = await runProxy({ base: "/ferry" });
	return running;
}

it("the console is a page without data, which loads nothing from other origins and has no inline scripts", async () => {
	const running = await run();
	await running.batch(event({ person: { email: "grace@example.com" } }));
	for (const [path, type] of [
		["/console", "text/html"],
		["/console/console.js", "text/javascript"],
		["/console/console.css", "text/css"],
	]) {
		const response = await fetch(running.url + path);
		expect([response.status, response.headers.get("content-type")]).toEqual([200, `${type}; charset=utf-8`]);
		expect(response.headers.get("content-security-policy")).toBe(
			"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		);
		expect(response.headers.get("x-content-type-options")).toBe("nosniff");
		const text = await response.text();
		expect([writeKey, serverKey, adminToken, "grace"].filter((secret) => text.includes(secret))).toEqual([]);
		if (path === "/console") {
			expect(text).not.toMatch(/<script(?![^>]*\ssrc=")|<style|\sstyle=|\son\w+=/);
			expect([...text.matchAll(/(?:src|href)="(?!data:)([^"]*)"/g)].map(([, url]) => url)).toEqual([
				"console/console.css",
				"console/console.js",
			]);
		}
	}
});

it("the console is a 304 while unchanged, is not found with a slash at the end, and answers only GET and HEAD", async () => {
	const running = await run();
	const first = await fetch(`${running.url}/console`);
	const again = await fetch(`${running.url}/console`, {
		headers: { "if-none-match": first.headers.get("etag") ?? "", "cache-control": "" },
	});
	expect([again.status, await again.text()]).toEqual([304, ""]);
	expect((await fetch(`${running.url}/console/`)).status).toBe(404);
	expect((await fetch(`${running.url}/console`, { method: "HEAD" })).status).toBe(200);
	const post = await fetch(`${running.url}/console`, { method: "POST" });
	expect([post.status, (await problemOf(post)).code]).toEqual([405, "method_not_allowed"]);
	expect((await fetch(`${running.url}/console/other.js`)).status).toBe(404);
});
