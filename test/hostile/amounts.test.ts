import { connect, type Socket } from "node:net";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { expect, vi } from "vitest";
import { signOpenUrl } from "../../server/index.ts";
import { batchOf, event, origin, problemOf, serverKey, writeKey } from "../support/proxy.ts";
import { type Built, type BuiltOptions, memoryOf, slowdownBy, threats } from "./built.ts";

const KB = 1_024;
const MB = KB * KB;

/** Expects a 429 with `Retry-After`. */
async function isLimited(response: Response): Promise<void> {
	expect(await problemOf(response)).toMatchObject({ status: 429, code: "rate_limited" });
	expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
}
/** Sends events and a good one. Resolves to the codes of the rejections. */
const refusals = async ({ batch }: Built, ...events: unknown[]) =>
	(await batch(...events, event())).rejected.map(({ code }) => code);

/** Secrets that are short enough to be guessed. */
const short = { adminToken: "admin-token", serverKey: "server-key" };
threats(
	"requests of one address",
	{
		config: { rateLimit: { perAddress: 20 }, adminToken: short.adminToken },
		site: { serverKey: short.serverKey },
	},
	{
		"an address sends without end": async ({ post }) => {
			for (let n = 0; n < 20; n += 1) expect((await post(batchOf())).status).toBe(202);
			await isLimited(await post(batchOf()));
		},
		"a sender makes up other addresses for itself": async ({ post }) => {
			const all = Array.from({ length: 25 }, (_, n) => ({
				"x-forwarded-for": `198.51.100.${n}`,
				"x-real-ip": `10.0.0.${n}`,
			}));
			const statuses = new Set<number>();
			for (const headers of all) statuses.add((await post(batchOf(), headers)).status);
			expect(statuses).toContain(429);
		},
		"the admin token is guessed": async ({ admin }) => {
			const guess = (token: string) => admin("/stats", { headers: { authorization: `Bearer ${token}` } });
			for (let n = 0; n < 20; n += 1) expect((await guess(`guess ${n}`)).status).toBe(401);
			await isLimited(await guess("guess"));
			await isLimited(await guess(short.adminToken));
		},
		"the server key is guessed": async ({ post }) => {
			const guess = (key: string) => post({ events: [] }, { authorization: `Bearer ${key}` }, "/v1/events");
			for (let n = 0; n < 20; n += 1) expect((await guess(`guess ${n}`)).status).toBe(401);
			await isLimited(await guess("guess"));
			await isLimited(await guess(short.serverKey));
		},
	},
);

threats(
	"large batches of one address",
	{ config: { rateLimit: { perAddress: 20 } } },
	{
		"a large batch of Segment's API costs less than many": async ({ post }) => {
			const send = (count: number) => post({ writeKey, batch: Array(count).fill({}) }, {}, "/segment/v1/batch");
			expect((await send(1_901)).status).toBe(200);
			await isLimited(await send(1));
		},
	},
);

const long = (name: string) => `${name}-`.padEnd(32, "0123456789");
threats(
	"guesses from the address of the secrets' owner",
	{
		config: { rateLimit: { perAddress: 20 }, adminToken: long("admin-token") },
		site: ({ crisp, helpcrunch }) => ({
			serverKey: long("server-key"),
			crisp: { ...crisp, hookKey: "hook-key-of-crisp" },
			helpcrunch: { ...helpcrunch, hookSecret: "hook-secret-of-helpcrunch" },
		}),
	},
	{
		"wrong guesses lock out the owner of a secret": async ({ post, url }) => {
			const hook = (path: string) => fetch(`${url}/v1/hooks/${path}`, { method: "POST", body: "{}" });
			const send = (key: string) => post({ events: [event()] }, { authorization: `Bearer ${key}` }, "/v1/events");
			for (let n = 0; n < 25; n += 1) expect((await hook(`crisp?key=guess${n}`)).status).toBe(n < 20 ? 403 : 429);
			// Other purposes are not affected, nor another provider's web hooks.
			expect((await hook("helpcrunch")).status).toBe(403);
			expect((await send("wrong")).status).toBe(401);
			for (let n = 0; n < 25; n += 1) await send(`guess ${n}`);
			await isLimited(await send("wrong"));
			expect((await send(long("server-key"))).status).toBe(202);
			const stats = (token: string) => fetch(`${url}/admin/stats`, { headers: { authorization: `Bearer ${token}` } });
			for (let n = 0; n < 25; n += 1) await stats(`guess ${n}`);
			await isLimited(await stats("wrong"));
			expect((await stats(long("admin-token"))).status).toBe(200);
		},
	},
);

threats(
	"web hooks",
	{
		site: ({ crisp, vibetrace }) => ({
			crisp: { ...crisp, hookSecret: "hook-secret-of-crisp" },
			helpcrunch: undefined,
			vibetrace,
		}),
	},
	{
		"a web hook is made to cost work, or to make its check fail": async (built) => {
			const { url, output } = built;
			const deep = "[".repeat(120_000) + "]".repeat(120_000);
			const packed = brotliCompressSync(deep);
			const hook = (path: string, body: BodyInit, headers: Record<string, string> = {}) =>
				fetch(`${url}/v1/hooks/${path}`, {
					method: "POST",
					headers: { "content-type": "application/json", ...headers },
					body,
				});
			const signed = { "x-crisp-signature": "0".repeat(64), "x-crisp-request-timestamp": String(Date.now()) };
			// Refused before the body is read: no secret, no signature.
			expect((await hook("helpcrunch", packed, { "content-encoding": "br" })).status).toBe(404);
			expect((await hook("crisp", packed, { "content-encoding": "br" })).status).toBe(403);
			expect((await hook("crisp", "x".repeat(300_000))).status).toBe(403);
			expect((await hook("crisp", packed, { ...signed, "content-encoding": "br" })).status).toBe(415);
			for (const body of [deep, `{"a":`.repeat(40_000), `[${'{"\\n":1},'.repeat(20_000)}0]`])
				expect((await hook("crisp", body, signed)).status).toBe(403);
			expect(output()).not.toMatch(/"level":"?(50|error)/);
			expect(await slowdownBy(() => hook("crisp", deep, signed), built)).toBeLessThan(3);
		},
	},
);

threats(
	"requests of one network, and with one write key",
	{ config: { rateLimit: { perAddress: 2, perWriteKey: 5 }, trustProxy: 1 } },
	{
		"a sender uses the many addresses of its network": async ({ post }) => {
			const from = (address: string) => post(batchOf(), { "x-forwarded-for": address });
			expect((await from("2001:db8:1:1::1")).status).toBe(202);
			expect((await from("2001:db8:1:1:ffff::2")).status).toBe(202);
			await isLimited(await from("2001:db8:1:1:1:2:3:4"));
			expect((await from("2001:db8:1:2::1")).status).toBe(202);
		},
		"a write key is used without end, where its site limits that": async ({ post }) => {
			const statuses: number[] = [];
			for (let n = 0; n < 6; n += 1)
				statuses.push((await post(batchOf(), { "x-forwarded-for": `198.51.100.${n}` })).status);
			expect(statuses.at(-1)).toBe(429);
		},
	},
);

const openSecret = "a secret of 32 characters or more for opens";

threats(
	"opened e-mails of one address",
	{ config: { rateLimit: { perAddress: 3 } }, site: { identitySecrets: [openSecret] } },
	{
		"opened e-mails come without end": async ({ url, settled }) => {
			for (let n = 0; n < 8; n += 1) {
				const image = await signOpenUrl({ email: `reader-${n}@example.com` }, { secret: openSecret, base: url });
				const response = await fetch(image);
				expect([response.status, response.headers.get("content-type")]).toEqual([200, "image/gif"]);
			}
			expect((await settled(3)).events).toBe(3);
		},
	},
);

threats(
	"sizes",
	{},
	{
		"a body is too large": async ({ post, url }) => {
			const tooLarge = { status: 413, code: "body_too_large" };
			expect(await problemOf(await post(" ".repeat(257 * KB)))).toMatchObject(tooLarge);
			const body = new ReadableStream({
				start(controller) {
					for (let n = 0; n < 20; n += 1) controller.enqueue(new Uint8Array(100 * KB).fill(32));
					controller.close();
				},
			});
			const init = { method: "POST", headers: { origin, "content-type": "text/plain" }, body, duplex: "half" };
			expect(await problemOf(await fetch(`${url}/v1/batch`, init as RequestInit))).toMatchObject(tooLarge);
		},
		"a small body becomes a large one when it is unpacked": async (built) => {
			const before = memoryOf(built);
			const bomb = gzipSync(Buffer.alloc(200 * MB, 32));
			for (let n = 0; n < 5; n += 1) {
				const response = await built.post(bomb, { "content-encoding": "gzip" });
				expect(await problemOf(response)).toMatchObject({ status: 413, code: "body_too_large" });
			}
			expect(memoryOf(built) - before).toBeLessThan(100 * MB);
		},
		"a batch has too many events": async ({ post }) => {
			const response = await post(batchOf(...Array.from({ length: 101 }, () => event())));
			expect(await problemOf(response)).toMatchObject({ status: 400, code: "malformed_body" });
		},
		"a batch of Segment's API has too many calls, or is too large": async ({ post, url }) => {
			const send = (body: unknown, headers = {}) => post(body, headers, "/segment/v1/batch");
			const response = await send({ writeKey, batch: Array(2_501).fill({}) });
			expect(await problemOf(response)).toMatchObject({ status: 400, code: "malformed_body" });
			const tooLarge = { status: 413, code: "body_too_large" };
			const large = JSON.stringify({ writeKey, batch: [], pad: "x".repeat(512 * KB) });
			expect(await problemOf(await send(large))).toMatchObject(tooLarge);
			expect(await problemOf(await send(gzipSync(large), { "content-encoding": "gzip" }))).toMatchObject(tooLarge);
			const init = { method: "POST", headers: { origin }, body: new Blob([large]).stream(), duplex: "half" };
			expect(await problemOf(await fetch(`${url}/segment/v1/batch`, init as RequestInit))).toMatchObject(tooLarge);
		},
		"data is nested so deep that it can be read and not written": async (built) => {
			const { post, settled } = built;
			const before = (await settled(0)).events;
			const deep = "[".repeat(10 * KB) + "]".repeat(10 * KB);
			const nested = JSON.stringify(event({ data: "HERE" })).replace('"HERE"', `{"a":${deep}}`);
			const body = `{"writeKey":"${writeKey}","sentAt":${Date.now()},"events":[${JSON.stringify(event())},${nested}]}`;
			const response = await post(body);
			expect(await response.json()).toMatchObject({ accepted: 1, rejected: [{ code: "invalid_event" }] });
			await settled(before + 1);
			expect(await refusals(built, event({ data: { a: { b: { c: { d: { e: { f: 1 } } } } } } }))).toEqual([
				"invalid_event",
			]);
		},
		"data is large, or has very many keys": async (built) => {
			const keys = Object.fromEntries(Array.from({ length: 4_000 }, (_, n) => [`k${n}`, 0]));
			const codes = await refusals(built, event({ data: { text: "x".repeat(17 * KB) } }), event({ data: keys }));
			expect(codes).toEqual(["event_too_large", "event_too_large"]);
		},
		"a name, an id or an address is very long": async (built) => {
			const long = "x".repeat(300);
			const person = (fields: object) => event({ person: { email: "ada@example.com", ...fields } });
			const bad = [
				...[
					event({ name: "n".repeat(121) }),
					event({ id: long }),
					person({ userId: long }),
					person({ anonymousId: long }),
				],
				...[person({ email: `${long}@example.com` }), event({ type: "confirmation", data: { orderId: long } })],
				...["login", "update"].map((type) => event({ type, data: { ["a".repeat(121)]: 1 } })),
			];
			expect(await refusals(built, ...bad)).toEqual(bad.map(() => "invalid_event"));
		},
	},
);

/** Resolves to everything that the other side has sent, once the connection is closed. Ignores failed writes. */
const closed = (socket: Socket) =>
	new Promise<string>((done) => {
		let answer = "";
		socket
			.on("error", () => {})
			.on("data", (chunk) => {
				answer += chunk;
			})
			.once("close", () => done(answer));
	});
/** Headers of a batch with a body of this length, in bytes. */
const head = (length: number) =>
	[
		...["POST /v1/batch HTTP/1.1", "Host: shop.example", `Origin: ${origin}`, "Content-Type: text/plain"],
		...[`Content-Length: ${length}`, "", ""],
	].join("\r\n");

threats(
	"slow clients",
	{},
	{
		"a client sends its request slowly, or none": async ({ url }) => {
			const open = () => connect(Number(new URL(url).port), "127.0.0.1");
			const [idle, headers, body, drip] = [open(), open(), open(), open()];
			headers.write("POST /v1/batch HTTP/1.1\r\nHost: shop.example\r\nX-Slow: ");
			body.write(`${head(100 * KB)}{`);
			drip.write(head(100 * KB));
			const dripping = setInterval(() => drip.write(" "), 500);
			await Promise.all([idle, headers, body, drip].map(closed));
			clearInterval(dripping);
		},
		"a thousand slow clients fill the memory": async (built) => {
			const { port } = new URL(built.url);
			const before = memoryOf(built);
			const most = 255 * KB;
			const body = Buffer.alloc(most - 1, 32);
			const slow = Array.from({ length: 1_000 }, () => connect(Number(port), "127.0.0.1"));
			const answers = slow.map((socket) => {
				let answer = "";
				socket
					.on("error", () => {})
					.on("data", (chunk) => {
						answer += chunk;
					});
				return () => answer;
			});
			// Each client sends its body but for the last byte, then nothing.
			await Promise.all(
				slow.map(
					(socket) =>
						new Promise<void>((sent) => {
							socket.once("close", () => sent());
							socket.write(head(most));
							socket.write(body, () => sent());
						}),
				),
			);
			const refused = () => answers.filter((answer) => answer().startsWith("HTTP/1.1 503")).length;
			// The room of 64 MB holds 257 of these bodies.
			await vi.waitFor(() => expect(refused()).toBeGreaterThan(700), { timeout: 60_000 });
			expect(memoryOf(built) - before).toBeLessThan(400 * MB);
			// A small batch is still taken.
			expect((await built.batch(event())).accepted).toBe(1);
			for (const socket of slow) socket.destroy();
			expect(
				(await built.post(batchOf(...Array.from({ length: 10 }, () => event({ data: { text: "x".repeat(15 * KB) } })))))
					.status,
			).toBe(202);
		},
	},
);

const oneProvider: BuiltOptions["site"] = ({ crisp }) => ({ crisp, helpcrunch: undefined, vibetrace: undefined });

/** Sends batches of 150 KB, of new people, until one is refused; resolves to the numbers of events and the refusal. */
async function fill({ post }: Built, asBackend = false) {
	for (let accepted = 0; accepted < 600; accepted += 10) {
		const events = Array.from({ length: 10 }, (_, n) =>
			event({ person: { email: `p${accepted + n}@example.com` }, data: { text: "x".repeat(15 * KB) } }),
		);
		const headers = { origin: undefined, authorization: `Bearer ${serverKey}` };
		const response = await (asBackend ? post({ events }, headers, "/v1/events") : post(batchOf(...events)));
		if (response.status !== 202) return { accepted, refused: response };
	}
	throw new Error("the store has refused no batch");
}
const readiness = async ({ url }: Built) => {
	const response = await fetch(`${url}/readyz`);
	return { status: response.status, ...((await response.json()) as { store: string; warnings: object[] }) };
};
const isFull = async (response: Response) => {
	expect(await problemOf(response)).toMatchObject({ status: 503, code: "store_unavailable" });
	expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
};

threats(
	"a store with a maximum size",
	{ config: { maxStoreBytes: "2M" }, site: oneProvider },
	{
		"the store grows without end": async (built) => {
			const { post, sandbox, settled, admin } = built;
			const clear = sandbox.fault("crisp", { status: 429, retryAfter: 1 });
			const backend = await fill(built, true);
			expect(backend.accepted).toBeGreaterThan(50);
			await isFull(backend.refused);
			await isFull(await post(batchOf(event())));
			expect(await readiness(built)).toMatchObject({ status: 503, store: "unavailable" });
			expect((await (await admin("/stats")).json()).room).toMatchObject({ max: 2 * MB, isFull: true });
			clear();
			const { destinations } = await settled(backend.accepted);
			expect(destinations.crisp).toMatchObject({ delivered: backend.accepted, dead: 0 });
			expect((await post(batchOf(event()))).status).toBe(202);
		},
	},
);

threats(
	"a store that a visitor fills",
	{ config: { maxStoreBytes: "2M" }, site: oneProvider },
	{
		"one visitor fills the store": async (built) => {
			const clear = built.sandbox.fault("crisp", { status: 429, retryAfter: 1 });
			const visitor = await fill(built);
			await isFull(visitor.refused);
			expect(await readiness(built)).toMatchObject({ status: 200, store: "ok", warnings: [{ code: "store_full" }] });
			const backend = await fill(built, true);
			expect(backend.accepted).toBeGreaterThan(0);
			expect(await readiness(built)).toMatchObject({ status: 503, store: "unavailable" });
			clear();
			const { room } = await built.settled(visitor.accepted + backend.accepted);
			expect(room).toMatchObject({ isFull: false });
			expect(await readiness(built)).toMatchObject({ status: 200, store: "ok", warnings: [] });
			expect((await built.batch(event())).accepted).toBe(1);
		},
	},
);

threats(
	"a store that a visitor fills with dead letters",
	{ config: { maxStoreBytes: "2M" }, site: oneProvider },
	{
		"dead letters of one visitor keep the store full": async (built) => {
			const clear = built.sandbox.fault("crisp", { status: 400, body: { error: true, reason: "invalid_data" } });
			const headers = { origin: undefined, authorization: `Bearer ${serverKey}` };
			expect((await built.post({ events: [event({ name: "ours" })] }, headers, "/v1/events")).status).toBe(202);
			await built.settled(1);
			let events = 1;
			for (let round = 0; round < 20; round += 1) {
				const forged = Array.from({ length: 10 }, () => event({ data: { text: "x".repeat(15 * KB) } }));
				expect((await built.batch(...forged)).accepted).toBe(10);
				events += 10;
				await built.settled(events);
			}
			const { destinations } = await built.settled(events);
			expect(destinations.crisp?.discarded.store_full).toBeGreaterThan(50);
			expect(destinations.crisp?.dead).toBe(201 - (destinations.crisp?.discarded.store_full ?? 0));
			const { items } = await (await built.admin("/deadletters?limit=1")).json();
			expect(items).toMatchObject([{ event: { name: "ours" } }]);
			expect(built.output()).toContain("dead letters of unverified visitors are deleted");
			clear();
		},
	},
);

threats(
	"a store that a visitor fills with what is remembered",
	{ config: { maxStoreBytes: "2M" }, site: oneProvider },
	{
		"what is remembered of one visitor's events keeps the store full": async (built) => {
			const ours = event({ name: "ours" });
			const asBackend = async () =>
				built.post({ events: [ours] }, { origin: undefined, authorization: `Bearer ${serverKey}` }, "/v1/events");
			expect((await asBackend()).status).toBe(202);
			// Nobody takes events of pages, so that nothing of these but their ids is kept.
			for (let round = 0; round < 400; round += 1) {
				const forged = Array.from({ length: 100 }, () => event({ type: "page", name: undefined, data: undefined }));
				expect((await built.batch(...forged)).accepted).toBe(100);
			}
			expect((await asBackend()).status).toBe(202);
			await built.settled(1);
			const { forgotten, discarded } = await (await built.admin("/stats")).json();
			expect(forgotten).toBeGreaterThan(1_000);
			expect(discarded).toEqual({ duplicate: 1 });
			expect(built.output()).toContain("is deleted, so that repeated events may be taken again");
		},
	},
);

threats(
	"the bytes of one address",
	{ config: { rateLimit: { perAddress: 100_000, bytesPerAddress: "1M" } } },
	{
		"an address sends very much": async ({ post }) => {
			let sent = 0;
			const events = () => Array.from({ length: 10 }, () => event({ data: { text: "x".repeat(15 * KB) } }));
			for (let n = 0; n < 20; n += 1) {
				const response = await post(batchOf(...events()));
				if (response.status === 202) sent += 150 * KB;
				else await isLimited(response);
			}
			expect(sent).toBeGreaterThan(800 * KB);
			expect(sent).toBeLessThan(MB);
			// Compressed, it is 1 KB.
			await isLimited(await post(gzipSync(JSON.stringify(batchOf(...events()))), { "content-encoding": "gzip" }));
		},
	},
);

threats(
	"what is remembered of people",
	{
		site: ({ vibetrace }) => ({
			crisp: undefined,
			helpcrunch: undefined,
			vibetrace: { ...vibetrace, budget: 100_000 },
		}),
	},
	{
		"what is remembered of a person has no end": async (built) => {
			const people = 20;
			const rounds = 5;
			const names = (round: number) =>
				Array.from({ length: 40 }, (_, n) => [`${round} ${n} `.padEnd(120, "\u20ac"), n] as const);
			for (let round = 0; round < rounds; round += 1) {
				const data = Object.fromEntries(names(round));
				const all = Array.from({ length: people }, (_, n) =>
					event({ type: "update", person: { email: `p${n}@example.com` }, data }),
				);
				for (const each of all) expect((await built.batch(each)).accepted).toBe(1);
				await built.settled(people * (round + 1));
			}
			const { room } = await built.settled(people * rounds);
			// 20 people and 16 KB, and an empty store.
			expect(room?.used).toBeLessThan(800 * KB);
		},
	},
);
