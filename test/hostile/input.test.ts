import { expect } from "vitest";
import type { SandboxRequest } from "../../server/sandbox/index.ts";
import { event, serverKey, writeKey } from "../support/proxy.ts";
import { type Built, threats } from "./built.ts";

/** Sends a good event and one with fields written as JSON text, which may be invalid. Resolves to the answer. */
async function postedWith({ post, settled }: Built, fields: string | Buffer) {
	const before = (await settled(0)).events;
	const good = event({ name: `good ${crypto.randomUUID()}` });
	const { id, ...rest } = event({ person: { email: "odd@example.com" } });
	const opening = `{"writeKey":"${writeKey}","sentAt":${Date.now()},"events":[${JSON.stringify(good)},{"id":"${id}",`;
	const own = `${JSON.stringify(rest).slice(1, -1)},`;
	const response = await post(Buffer.concat([Buffer.from(opening + own), Buffer.from(fields), Buffer.from("}]}")]));
	const answer = {
		status: response.status,
		...((await response.json()) as { accepted: number; rejected: { code: string }[] }),
	};
	if (answer.status === 202) await settled(before + answer.accepted);
	return { ...answer, good };
}
const wasSent = (requests: SandboxRequest[], name: unknown) => JSON.stringify(requests).includes(String(name));

/** Sends a good event and one with bad fields. Expects only the bad one to be rejected, and the good one delivered. */
async function isRefusedAlone(built: Built, fields: string): Promise<void> {
	const { accepted, rejected, good } = await postedWith(built, fields);
	expect([accepted, rejected.map(({ code }) => code)], fields).toEqual([1, ["invalid_event"]]);
	expect(wasSent(built.sandbox.requests(), good.name)).toBe(true);
}

/** Texts that could end a string, a header, a path or a line in a place that does not escape them. */
const evil = [
	...[
		"../../conversations",
		"..",
		".",
		"%2e%2e%2f",
		"a/b",
		"a\\b",
		"?x=1&upsert=false",
		"#x",
		";",
		"a%00b",
		"%0d%0aX-Evil: 1",
	],
	...[
		'","admin":true,"x":"',
		"'; DROP TABLE event; --",
		"<img src=x onerror=alert(1)>",
		"{{7*7}}<%=7%>",
		"\u2028\u2029",
		"ü😀",
		" ",
	],
];

threats(
	"input",
	{},
	{
		"a key reaches an object's prototype": async (built) => {
			for (const key of ["__proto__", "constructor", "prototype", "\\u005f_proto__"]) {
				await isRefusedAlone(built, `"data":{"${key}":{"isAdmin":true}}`);
				await isRefusedAlone(built, `"data":{"a":[{"${key}":1}]}`);
				await isRefusedAlone(built, `"person":{"email":"a@example.com","${key}":{"trusted":true}}`);
				await isRefusedAlone(built, `"${key}":{"trusted":true}`);
			}
		},
		"a name or an id has control characters, or half a character": async (built) => {
			for (const odd of ["\\u0000", "\\r\\nX-Evil: 1", "\\n", "\\u007f", "\\u0085", "\\ud83d", "\\ude00x"]) {
				await isRefusedAlone(built, `"name":"a${odd}b"`);
				await isRefusedAlone(built, `"person":{"email":"a${odd}b@example.com"}`);
				await isRefusedAlone(built, `"person":{"userId":"a${odd}b"}`);
				await isRefusedAlone(built, `"type":"confirmation","data":{"orderId":"a${odd}b"}`);
			}
		},
		"an address becomes another person's when it is folded": async (built) => {
			const { sandbox, post, url, admin } = built;
			sandbox.clear();
			for (const address of [
				"\u212aim@example.com",
				"kim@example.\uff43om",
				"kim@example\u3002com",
				"k\u0131m@example.com",
			]) {
				await isRefusedAlone(built, `"person":{"email":"${address}"},"type":"login","data":{"phone":"1"}`);
				const backend = { authorization: `Bearer ${serverKey}`, origin: undefined };
				const events = [event({ person: { email: address } })];
				expect(await (await post({ events }, backend, "/v1/events")).json()).toMatchObject({ accepted: 0 });
				const forgotten = await fetch(`${url}/v1/people`, {
					method: "DELETE",
					headers: { "content-type": "application/json", authorization: `Bearer ${serverKey}` },
					body: JSON.stringify({ email: address }),
				});
				expect(forgotten.status).toBe(400);
				const body = JSON.stringify({ person: address });
				const headers = { "content-type": "application/json" };
				expect((await admin("/search", { method: "POST", headers, body })).status).toBe(400);
			}
			for (const userId of ["\u212aim", "\uff41da", "ada\u00a0"])
				await isRefusedAlone(built, `"person":{"userId":"${userId}"}`);
			expect(JSON.stringify(sandbox.requests())).not.toMatch(/k(im|%C4%B1m)(@|%40)/);
		},
		"an e-mail or an id differs from another one by characters that nobody sees": async (built) => {
			const { url, admin } = built;
			for (const odd of [
				"\u200b",
				"\u200d",
				"\u00ad",
				"\u202e",
				"\u2066",
				"\u2028",
				"\ufeff",
				"\u{e0041}",
				"\u3164",
				"\u2800",
			]) {
				for (const text of [`a${odd}b`, `${odd}ab`, `ab${odd}`]) {
					await isRefusedAlone(built, `"person":{"email":"${text}@example.com"}`);
					await isRefusedAlone(built, `"person":{"email":"ab@example.${text}"}`);
					await isRefusedAlone(built, `"person":{"userId":"${text}"}`);
					await isRefusedAlone(built, `"type":"confirmation","data":{"orderId":"${text}"}`);
				}
				const forgotten = await fetch(`${url}/v1/people`, {
					method: "DELETE",
					headers: { "content-type": "application/json", authorization: `Bearer ${serverKey}` },
					body: JSON.stringify({ userId: `a${odd}b` }),
				});
				expect(forgotten.status).toBe(400);
				const body = JSON.stringify({ person: `a${odd}b` });
				const headers = { "content-type": "application/json" };
				expect((await admin("/search", { method: "POST", headers, body })).status).toBe(400);
			}
		},
		"a number is too large to be one": async (built) => {
			await isRefusedAlone(built, '"data":{"total":1e999}');
			await isRefusedAlone(built, '"data":{"a":[{"b":-1e999}]}');
			await isRefusedAlone(built, '"at":1e999');
			await isRefusedAlone(built, '"type":"confirmation","data":{"orderId":1e999}');
		},
		"data poisons its batch, the store or what is sent": async (built) => {
			const text = 'NUL \0, half \ud83d, quote ", line\u2028, ' + "tail \udc00";
			const data = { text, toJSON: "x", toString: 1, valueOf: null, "": 0, "a\0b": "c", await: "x", length: 1e308 };
			const { accepted, good } = await postedWith(built, `"name":"poison","data":${JSON.stringify(data)}`);
			expect(accepted).toBe(2);
			for (const destination of ["crisp", "helpcrunch"] as const) {
				const bodies = built.sandbox.requests(destination).map(({ body }) => body as { data?: unknown });
				expect(
					bodies.map((body) => body.data),
					destination,
				).toContainEqual(data);
			}
			expect(wasSent(built.sandbox.requests("vibetrace"), good.name)).toBe(true);
		},
		"a body says two things in one place": async (built) => {
			const twice =
				'"name":"said twice","person":{"email":"first@example.com"},"person":{"email":"second@example.com"}';
			expect((await postedWith(built, twice)).accepted).toBe(2);
			const all = JSON.stringify(built.sandbox.requests());
			expect(all).toContain("second");
			expect(all).not.toContain("first@example.com");
		},
		"a sender's keys change how another sender's keys are read": async (built) => {
			// In an unknown field, which is dropped: the sandbox has the same JSON.parse and must not read the trap.
			const trap = '"unknown":{"read by all":1,"\\\\":1}';
			expect((await postedWith(built, trap)).accepted).toBe(2);
			const data = { "read by all": 1, "\n": 1 };
			expect((await postedWith(built, `"name":"trapped","data":${JSON.stringify(data)}`)).accepted).toBe(2);
			const bodies = built.sandbox.requests("crisp").map(({ body }) => body);
			expect(bodies).toContainEqual({ text: "trapped", data });
		},
		"a body is not in UTF-8": async (built) => {
			const { status } = await postedWith(built, Buffer.from('"data":{"a":"\xff\xfe\xc0\xaf"}', "latin1"));
			expect([202, 400]).toContain(status);
			expect((await built.batch(event())).accepted).toBe(1);
		},
		"an address climbs where a gateway decodes a path once more": async (built) => {
			const { sandbox, batch, settled, post, admin, url } = built;
			const { events: before } = await settled(0);
			const climbing = [
				...["x/../../../conversation/session_1@example.com", "z/../victim@example.com", "z\\..\\victim@example.com"],
				...["z%2f..%2fvictim@example.com", "victim@example.com?x", "victim@example.com#x", "..;/victim@example.com"],
			];
			sandbox.clear();
			sandbox.addPerson("crisp", { email: "victim@example.com" });
			const events = climbing.flatMap((email) => [
				event({ name: "climbs", person: { email } }),
				event({ type: "login", person: { email }, data: { name: "x", phone: "1" } }),
			]);
			expect((await batch(...events)).accepted).toBe(events.length);
			const byId = climbing.map((crisp) =>
				event({ name: "climbs", person: { email: "bob@example.com", ids: { crisp, vibetrace: crisp } } }),
			);
			const backend = { origin: undefined, authorization: `Bearer ${serverKey}` };
			expect((await post({ events: byId }, backend, "/v1/events")).status).toBe(202);
			await settled(before + events.length + byId.length);
			const { items } = (await (await admin("/deadletters?limit=500")).json()) as { items: { reason: string }[] };
			const unbuildable = items.filter(({ reason }) => reason === "unbuildable");
			expect(unbuildable.length).toBeGreaterThanOrEqual(events.length + byId.length);
			for (const email of climbing) {
				const answer = await fetch(`${url}/v1/people`, {
					method: "DELETE",
					headers: { "content-type": "application/json", authorization: `Bearer ${serverKey}` },
					body: JSON.stringify({ email }),
				});
				const { destinations } = (await answer.json()) as { destinations: Record<string, { profile: string }> };
				expect(destinations.crisp, email).toMatchObject({ profile: "failed", reason: "unbuildable" });
			}
			for (const { path } of sandbox.requests()) {
				const decoded = decodeURIComponent(decodeURIComponent(path));
				expect(new URL(`http://gateway${decoded}`).pathname.split("/")).toHaveLength(path.split("/").length);
			}
			expect(sandbox.people("crisp").map(({ email }) => email)).toContain("victim@example.com");
		},
		"an address, an id or a name leaves its place in a provider's request": async (built) => {
			const { sandbox, batch, settled, post } = built;
			const before = (await settled(0)).events;
			sandbox.clear();
			const people = evil.filter((text) => !/\s/.test(text)).map((text) => ({ email: `${text}@example.com` }));
			const events = [
				...people.flatMap((person) => [
					event({ name: "plain", person }),
					event({ type: "login", person, data: { name: "x" } }),
				]),
				...evil
					.filter((text) => text.trim() && !/[\u2028\u2029]/.test(text))
					.flatMap((text) => [
						event({ name: text, person: { email: "ada@example.com" } }),
						event({ name: "plain", person: { email: "ada@example.com", userId: text } }),
						event({ type: "confirmation", person: { email: "ada@example.com" }, data: { orderId: text } }),
					]),
			];
			let accepted = 0;
			for (let n = 0; n < events.length; n += 50) accepted += (await batch(...events.slice(n, n + 50))).accepted;
			expect(accepted).toBe(events.length);
			const ids = evil.map((text) => ({ crisp: text, vibetrace: text })).filter(({ crisp }) => crisp.trim());
			const named = ids.map((each) => event({ name: "plain", person: { email: "bob@example.com", ids: each } }));
			const answer = await post(
				{ events: named },
				{ origin: undefined, authorization: `Bearer ${serverKey}` },
				"/v1/events",
			);
			const { accepted: fromBackend } = (await answer.json()) as { accepted: number };
			await settled(before + accepted + fromBackend);
			const shapes = {
				crisp: /^\/website\/[^/]+\/people\/(profile|(events|data|profile)\/[^/]+)$/,
				helpcrunch: /^\/(events|customers|customers\/search|customers\/\d+)$/,
				vibetrace: /^\/(event|user\/[^/]+)$/,
			};
			for (const { destination, path, headers, query, body, status } of sandbox.requests()) {
				expect(path).toMatch(shapes[destination]);
				expect(decodeURIComponent(path.split("/").at(-1) ?? "")).not.toMatch(/^\.\.?$/);
				expect(query ?? "upsert=true").toBe("upsert=true");
				expect(Object.keys(headers)).not.toContain("x-evil");
				expect(typeof body).toBe("object");
				expect(Object.keys(body as object)).not.toContain("admin");
				expect(status).toBeLessThan(500);
			}
			const texts = sandbox.requests("crisp").map(({ body }) => (body as { text?: string }).text);
			for (const text of evil.filter((each) => each.trim() && !/[\u2028\u2029]/.test(each)))
				expect(texts).toContain(text);
		},
	},
);

threats(
	"log lines",
	{ config: { logLevel: "trace" } },
	{
		"a log line is forged": async ({ batch, sandbox, settled, output, url }) => {
			const forged = '{"level":60,"msg":"forged"}';
			sandbox.fault("crisp", {
				status: 400,
				body: { error: true, reason: `x\n${forged}\n`, data: { message: `y\r\n${forged}` } },
			});
			await fetch(`${url}/v1/%0a${encodeURIComponent(forged)}%0d%0a`, {
				headers: { "user-agent": forged, "x-request-id": forged },
			});
			await batch(event({ name: forged }));
			await settled(1);
			await expect.poll(output).toContain("dead letter");
			const lines = output().trimEnd().split("\n").slice(1);
			for (const line of lines) expect(() => JSON.parse(line), line).not.toThrow();
			expect(lines.map((line) => JSON.parse(line).msg)).not.toContain("forged");
		},
	},
);
