import { globSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { adminToken, event, serverKey, writeKey } from "../support/proxy.ts";
import { temporaryFolder } from "../support/served.ts";
import { type Built, startBuilt, threats } from "./built.ts";

const secret = "planted-identity-secret-0123456789abcdef";
const folder = temporaryFolder();

/** Script that makes the proxy throw an error full of secrets on SIGUSR2. */
const preload = `${folder.path}/preload.mjs`;
writeFileSync(
	preload,
	`process.on("SIGUSR2", () => {
		const error = new Error("failed with " + process.env.PLANTED + " for ada.unhandled@example.com");
		error.request = { headers: { authorization: "Bearer " + process.env.PLANTED } };
		error.cause = new Error("because of Bearer abc.def.ghi and " + process.env.PLANTED);
		throw error;
	});`,
);

/** Returns the secrets of a proxy, and an e-mail, by name. */
function plantedIn({ sandbox }: Built): Record<string, string> {
	const { crisp, helpcrunch, vibetrace } = sandbox.destinations;
	return {
		...{ identitySecret: secret, serverKey, adminToken },
		...{ crispKey: crisp.key, crispBasic: btoa(`${crisp.identifier}:${crisp.key}`) },
		...{ helpcrunchKey: helpcrunch.apiKey, vibetraceKey: vibetrace.apiKey },
		email: "ada.planted@example.com",
		encodedEmail: "ada.planted%40example.com",
	};
}
/** Expects that a text holds none of the secrets. */
function expectNone(text: string, planted: Record<string, string>): void {
	for (const [what, value] of Object.entries(planted)) expect(text.includes(value), what).toBe(false);
}

/** Options of a proxy that logs all it can, and can be made to throw. */
const everything = {
	config: { logLevel: "trace" as const },
	site: { identitySecrets: [secret] },
	env: { NODE_OPTIONS: `--import ${preload}`, PLANTED: serverKey },
};

threats("leaks", everything, {
	"keys, tokens and e-mails are in a log or an answer": async (built) => {
		const { sandbox, url, post, batch, admin, output } = built;
		const planted = plantedIn(built);
		const person = { email: planted.email, token: "eyJhbGciOiJIUzI1NiJ9.eyJwbGFudGVkIjoxfQ.c2lnbmF0dXJl" };
		const answers: string[] = [];
		const read = async (response: Response | Promise<Response>) => {
			const each = await response;
			answers.push(JSON.stringify([...each.headers]) + (await each.text()));
		};
		// The providers repeat the credentials and the e-mail that they were sent.
		const echo = (...secrets: (string | undefined)[]) => `${secrets.join(" ")} of ${planted.email} was refused`;
		const crisp = echo(planted.crispKey, planted.crispBasic);
		sandbox.fault("crisp", { status: 400, body: { error: true, reason: crisp, data: { message: crisp } }, times: 3 });
		const helpcrunch = echo(planted.helpcrunchKey);
		sandbox.fault("helpcrunch", {
			status: 401,
			body: { errors: [{ code: helpcrunch, message: helpcrunch }] },
			times: 1,
		});
		const vibetrace = echo(planted.vibetraceKey);
		sandbox.fault("vibetrace", {
			status: 400,
			body: { errors: [{ message: vibetrace, description: vibetrace }] },
			times: 1,
		});
		const first = event({ person });
		await batch(first, event({ person, type: "login", data: { name: "Ada" } }), event({ person }));
		await read(post(`{"writeKey":"${writeKey}","person":"${planted.email}"`));
		await read(post({ writeKey: planted.serverKey, sentAt: 1, events: [{ email: planted.email }] }));
		await read(post({ writeKey, sentAt: 1, events: [event({ person, name: "" }), event({ person: { email: "x" } })] }));
		await read(post({ events: [] }, { authorization: `Bearer ${planted.crispKey}` }, "/v1/events"));
		for (const path of ["/healthz", "/readyz", "/metrics", "/client.js", "/console", "/openapi.json", "/", "/v1/x"])
			await read(fetch(`${url}${path}?token=${planted.adminToken}&email=${planted.encodedEmail}`));
		for (const path of [`/v1/${planted.encodedEmail}`, `/v1/hooks/crisp?key=${planted.crispKey}`, "/v1/open.gif?t=x"])
			await fetch(url + path).then((response) => response.text());
		await sandbox.until((all) =>
			["crisp", "helpcrunch", "vibetrace"].every((name) => all.some(({ destination }) => destination === name)),
		);
		await expect.poll(output).toContain("dead letter");
		// Operators may see e-mails, but no keys.
		const { email: _, encodedEmail: __, ...keys } = planted;
		for (const path of ["/stats", "/deadletters", "/deadletters?limit=0"])
			expectNone(await (await admin(path)).text(), keys);
		const json = { "content-type": "application/json" };
		for (const show of [true, false]) {
			const body = JSON.stringify({ event: first.id, show });
			const exchanges = await (await admin("/exchanges", { method: "POST", headers: json, body })).text();
			expect(exchanges.includes("was refused")).toBe(show);
			expectNone(exchanges, show ? keys : planted);
		}
		expectNone(answers.join("\n"), planted);
		expectNone(output(), planted);
		expect(output()).not.toContain("eyJwbGFudGVkIjoxfQ");
		expect(answers.join("")).toContain("eventferry");
	},
	"another user of the machine reads the store": async ({ store, batch }) => {
		await batch(event());
		for (const file of [store, `${store}-wal`]) expect((statSync(file).mode & 0o777).toString(8), file).toBe("600");
	},
});

test("an error that nobody has handled is printed with all that hangs on it", async () => {
	const built = await startBuilt(everything);
	try {
		const planted = plantedIn(built);
		await built.batch(event());
		process.kill(built.pid, "SIGUSR2");
		expect(await built.exited).toBe(1);
		expect(built.output()).toMatch(/nobody handled/);
		expect(built.output()).toContain("failed with ***");
		expectNone(built.output(), { ...planted, email: "ada.unhandled", cause: "abc.def.ghi" });
	} finally {
		await built.stop();
		folder.remove();
	}
});

test("a secret is guessed by how long its comparison takes", () => {
	const secret = String.raw`(?:\w+\.)*(?:serverKey|adminToken|hookKey|hookSecret)\b`;
	const comparison = new RegExp(`${secret}\\s*[!=]==(?!\\s*undefined)|(?<!undefined)\\s[!=]==\\s*${secret}`);
	const sources = globSync("server/**/*.ts").filter((file) => !/sandbox|command/.test(file));
	expect(sources.length).toBeGreaterThan(30);
	const compared = sources.flatMap((file) =>
		readFileSync(file, "utf8")
			.split("\n")
			.flatMap((line) => (comparison.test(line) ? `${file}: ${line.trim()}` : [])),
	);
	expect(compared).toEqual([]);
	expect(readFileSync("server/http/secret.ts", "utf8")).toContain("timingSafeEqual(digest(given), digest(expected))");
});
