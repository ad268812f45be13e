import { expect, it } from "vitest";
import { createLog, scrub } from "../../../server/observe/log.ts";

/** Returns the lines that are logged. */
function logged(write: (log: ReturnType<typeof createLog>) => void): string[] {
	const lines: string[] = [];
	write(createLog("debug", { stream: { write: (line) => void lines.push(line) } }));
	return lines;
}

it.each([
	["no such user: Ada.Lovelace+x@example.com", "no such user: ***"],
	["GET /website/people/profile/ada%40example.com", "GET /website/people/profile/***"],
	["Authorization: Bearer abc.def-1", "Authorization: Bearer ***"],
	["basic dXNlcjprZXk=", "basic ***"],
	["token eyJhbGciOiJIUzI1NiJ9.eyJlbWFpbCI6ImEifQ.sig-x", "token ***"],
	["/v1/open.gif?t=abc&x=1 was refused", "/v1/open.gif?*** was refused"],
	["/v1/hooks/crisp?key=secret", "/v1/hooks/crisp?***"],
	[
		"are its credentials right, is it reachable? Nothing is lost",
		"are its credentials right, is it reachable? Nothing is lost",
	],
	["at run (/app/node_modules/@scope/name/index.js:1:2)", "at run (/app/node_modules/@scope/name/index.js:1:2)"],
])("%s is logged as %s", (text, shown) => {
	expect(scrub(text)).toBe(shown);
});

it("no text of a provider or an error brings an e-mail, a token or a body into the log", () => {
	const secret = "ada@example.com";
	const lines = logged((log) => {
		log.info({ reason: `unknown ${secret}` }, `about ${secret}`);
		log.error({ err: new Error(`no ${secret}`, { cause: new Error(secret) }) }, "failed");
		log.error({ err: Object.assign(new Error("failed"), { body: `{"email":"${secret}"}`, status: 500 }) }, "failed");
		log.error({ err: secret }, "failed");
		log.child({ destination: "x" }).warn({ path: `/a?t=${secret}` }, secret);
		try {
			JSON.parse(`{"name": Ada}`);
		} catch (error) {
			log.error({ err: error }, "failed");
		}
	});
	expect(lines).toHaveLength(6);
	expect(lines.join("")).not.toMatch(/ada|example\.com/i);
	expect(lines.join("")).toContain("a syntax error");
});

it("an error keeps its type, message, code and stack", () => {
	const [line = ""] = logged((log) => log.error({ err: Object.assign(new TypeError("no"), { code: "ENOENT" }) }, "x"));
	expect(JSON.parse(line).err).toMatchObject({ type: "TypeError", message: "no", code: "ENOENT" });
	expect(JSON.parse(line).err.stack).toContain("log.test.ts");
});
