import { Agent, request as rawRequest } from "node:http";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { eventTypes } from "../../shared/event.ts";
import { browserAgent, origin, writeKey } from "../support/proxy.ts";
import type { BuiltOptions } from "./built.ts";

/** A request to `/v1/batch` with a mutated batch. */
export interface Attempt {
	headers: Record<string, string>;
	body: Buffer;
	/** Number of events in the body. Undefined if it may be no batch any more. */
	events: number | undefined;
}

/** Options of a proxy that delivers no event and limits no rate. */
export const deliversNothing: BuiltOptions = {
	site: ({ vibetrace }) => ({
		crisp: undefined,
		helpcrunch: undefined,
		vibetrace: { ...vibetrace, events: ["email_open"] },
	}),
	config: { rateLimit: { perAddress: 1_000_000_000, bytesPerAddress: "1000G" }, logLevel: "error" },
};

const text = fc.oneof(
	fc.string(),
	fc.string({ unit: "binary", maxLength: 20 }),
	fc.constantFrom(
		"__proto__",
		"constructor",
		"",
		"\0",
		"\r\nX: y",
		"\ud800",
		"../..",
		"%2e%2e",
		"a@b",
		"💥",
		"toString",
	),
);
const odd: fc.Arbitrary<unknown> = fc.oneof(
	text,
	fc.constantFrom<unknown>(null, true, 0, -0, -1, 1.5, 1e308, 2 ** 53, [], {}, [[]], "x".repeat(5_000)),
	fc.jsonValue({ maxDepth: 8 }),
);
const data = fc.dictionary(text, fc.oneof(text, fc.integer(), fc.jsonValue({ maxDepth: 3 })), { maxKeys: 4 });
const event = fc.record({
	id: fc.uuid(),
	type: fc.constantFrom(...eventTypes),
	name: fc.string({ minLength: 1, maxLength: 20 }),
	at: fc.integer({ min: -86_400_000, max: 60_000 }).map((ago) => Date.now() + ago),
	person: fc.record({ email: fc.emailAddress(), userId: fc.string({ minLength: 1 }) }, { requiredKeys: ["email"] }),
	data: fc.oneof(data, fc.constant({ orderId: "A-1", total: 1, items: [] })),
	context: fc.constant({ url: "https://shop.example/" }),
});
const batch = fc.record({
	writeKey: fc.constant(writeKey),
	sentAt: fc.constant(0).map(() => Date.now()),
	events: fc.array(event, { minLength: 1, maxLength: 3 }),
});

type Node = Record<string, unknown> | unknown[];
const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null;
const nodesIn = (value: unknown): Node[] => (isNode(value) ? [value, ...Object.values(value).flatMap(nodesIn)] : []);

/** Changes one place of a batch, at any depth. */
const change = fc
	.record({
		where: fc.nat(),
		which: fc.nat(),
		how: fc.constantFrom("replace", "remove", "add", "deepen"),
		key: text,
		value: odd,
	})
	.map(({ where, which, how, key, value: odd }) => (tree: Node) => {
		const value: unknown = structuredClone(odd);
		const nodes = nodesIn(tree);
		const node = nodes[where % nodes.length] as Record<string, unknown>;
		const keys = Object.keys(node);
		const chosen = keys[which % Math.max(keys.length, 1)] ?? (Array.isArray(node) ? "0" : key);
		const define = (name: string, to: unknown) =>
			Object.defineProperty(node, name, { value: to, enumerable: true, configurable: true, writable: true });
		if (how === "remove") delete node[chosen];
		else if (how === "add") define(Array.isArray(node) ? String(node.length) : key, value);
		else if (how === "replace") define(chosen, value);
		else
			define(
				chosen,
				[...Array(which % 12)].reduce((inner) => [inner], value),
			);
	});

/** Replaces some bytes of a body, without regard to their meaning. */
const damage = fc
	.record({ at: fc.nat(), bytes: fc.uint8Array({ maxLength: 6 }), take: fc.nat({ max: 40 }) })
	.map(({ at, bytes, take }) => (body: Buffer): Buffer => {
		const start = at % (body.length + 1);
		return Buffer.concat([body.subarray(0, start), bytes, body.subarray(start + take)]);
	});

const headers = fc.oneof(
	{ weight: 12, arbitrary: fc.constant({ "content-type": "application/json" }) },
	{ weight: 4, arbitrary: fc.constant({ "content-type": "text/plain;charset=UTF-8" }) },
	{
		weight: 1,
		arbitrary: fc.constantFrom<Record<string, string>>(
			...[{ "content-type": "application/json;charset=utf-16" }, { "content-type": "text/html" }, {}],
			...[{ "content-type": "application/json", "content-encoding": "gzip" }, { "content-type": ";;;" }],
			...[
				{ "content-type": "application/json", origin: "null" },
				{ "content-type": "text/plain", "user-agent": "" },
			],
		),
	},
);

const attempt: fc.Arbitrary<Attempt> = fc
	.record({
		good: batch,
		changes: fc.array(change, { maxLength: 3 }),
		damages: fc.oneof(
			{ weight: 3, arbitrary: fc.constant([]) },
			{ weight: 1, arbitrary: fc.array(damage, { maxLength: 2 }) },
		),
		headers,
		isPacked: fc.nat({ max: 9 }).map((n) => n === 0),
	})
	.map(({ good, changes, damages, headers: given, isPacked }) => {
		const tree = structuredClone(good) as unknown as Record<string, unknown>;
		for (const each of changes) each(tree);
		let body: Buffer = Buffer.from(JSON.stringify(tree));
		for (const each of damages) body = each(body);
		const events = damages.length === 0 && Array.isArray(tree.events) ? tree.events.length : undefined;
		const packed = isPacked && { "content-encoding": "gzip" };
		return {
			headers: { origin, "user-agent": browserAgent, ...given, ...packed },
			body: isPacked ? gzipSync(body) : body,
			events,
		};
	});

/** Valid events, some of them with one change. */
export const nearlyEvent = fc.tuple(event, fc.array(change, { maxLength: 1 })).map(([good, changes]) => {
	const tree = structuredClone(good) as unknown as Record<string, unknown>;
	for (const each of changes) each(tree);
	return tree;
});

const codes = new Set([
	...["malformed_body", "invalid_write_key", "origin_not_allowed", "body_too_large", "unsupported_media_type"],
]);
const eventCodes = new Set(["invalid_event", "identity_required", "event_too_large"]);

/** Finds the flaw in an answer. Undefined if there is none. */
function flawIn(sent: Attempt, status: number, body: string): string | undefined {
	if (status >= 500) return `${status}`;
	const answer = JSON.parse(body) as { code?: string; accepted?: number; rejected?: { code: string }[] };
	if (status !== 202) return codes.has(answer.code ?? "") ? undefined : `${status} ${answer.code}`;
	const { accepted = -1, rejected = [] } = answer;
	const unknown = rejected.find(({ code }) => !eventCodes.has(code));
	if (unknown) return `rejected as ${unknown.code}`;
	const isBot = accepted === 0 && rejected.length === 0;
	if (sent.events !== undefined && !isBot && accepted + rejected.length !== sent.events)
		return "an event is unaccounted for";
	return undefined;
}

/** Sends attempts, 24 at a time, up to the first wrong answer. Resolves to that attempt and its flaw, if any. */
export async function attack(
	url: string,
	attempts: Iterable<Attempt>,
): Promise<{ sent: number; flaw?: string; attempt?: Attempt }> {
	const agent = new Agent({ keepAlive: true, maxSockets: 24 });
	const queue = attempts[Symbol.iterator]();
	const found: { flaw: string; attempt: Attempt }[] = [];
	let sent = 0;
	const send = ({ headers: given, body }: Attempt) =>
		new Promise<{ status: number; body: string }>((answered, failed) => {
			const request = rawRequest(`${url}/v1/batch`, {
				method: "POST",
				agent,
				headers: { ...given, "content-length": body.length },
			});
			request.on("response", async (response) => {
				answered({ status: response.statusCode ?? 0, body: (await buffer(response)).toString() });
			});
			request.on("error", failed).end(body);
		});
	const worker = async () => {
		for (let next = queue.next(); !next.done && found.length === 0; next = queue.next()) {
			sent += 1;
			const flaw = await send(next.value).then(
				({ status, body }) => flawIn(next.value as Attempt, status, body),
				(error) => String(error),
			);
			if (flaw !== undefined) found.push({ flaw, attempt: next.value });
		}
	};
	await Promise.all(Array.from({ length: 24 }, worker));
	agent.destroy();
	return { sent, ...found[0] };
}

/** Generates attempts. The same seed makes the same ones. */
export function* attemptsOf(seed: number, count: number): Generator<Attempt> {
	const atOnce = 500;
	for (let done = 0; done < count; done += atOnce)
		yield* fc.sample(attempt, { seed: seed + done, numRuns: Math.min(atOnce, count - done) });
}
