import { randomUUID } from "node:crypto";

export const origin = "https://shop.example";
export const writeKey = "site_bench";
/** Headers of a visitor's browser. The proxy would take Node's own user agent for a bot. */
export const browserHeaders = {
	origin,
	"content-type": "application/json",
	"user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Safari/537.36",
};

/** Number of events in a batch. */
export const batchSize = 50;
/** Number of people among whom the batches are spread. */
const people = 20_000;

const track = (name: string, data: Record<string, unknown>) => ({ type: "track", name, data });
const product = { productId: "sku-10442", title: "Espresso machine Deluxe", price: 249.9, currency: "EUR" };
const kinds = [
	track("product:viewed", product),
	track("basket:item:added", { ...product, quantity: 1, basket: { items: 3, total: 312.4 } }),
	track("search", { query: "café crème", results: 14, filters: ["in stock", "delivered tomorrow"] }),
	{ type: "update", data: { plan: "pro", newsletter: true, city: "Zürich", basketTotal: 312.4 } },
];

/** Creates an event; the default e-mail is a placeholder of the right length. */
export const event = (index: number, email = `visitor${"0".repeat(8)}@example.com`, id: string = randomUUID()) => ({
	id,
	at: Date.now(),
	...kinds[index % kinds.length],
	person: { email, anonymousId: randomUUID() },
	context: {
		url: "https://shop.example/products/espresso-machine-deluxe?utm_source=newsletter",
		title: "Espresso machine Deluxe – Shop",
		referrer: "https://www.google.com/",
		locale: "en-GB",
		timezone: "Europe/Zurich",
	},
});

/** Says an event as a call of Segment's API. */
function callOf({ id, at, person, context, ...rest }: ReturnType<typeof event>) {
	const { email, anonymousId } = person;
	const { url, title, referrer, locale, timezone } = context;
	const { type, name, data } = rest as { type?: string; name?: string; data?: unknown };
	const spoken = type === "update" ? { type: "identify", traits: data } : { type, event: name, properties: data };
	const about = { traits: { email }, page: { url, title, referrer }, locale, timezone };
	return { messageId: id, timestamp: new Date(at).toISOString(), anonymousId, ...spoken, context: about };
}

const digits = (value: number, length: number) => value.toString(16).padStart(length, "0");

/** Number of batches that share the time in their ids; a real batch is captured over some seconds too. */
const batchesAtATime = 16;

/**
 * Returns a function that makes batches at almost no CPU cost: it overwrites ids and the person in one buffer. Ids are
 * UUIDv7 like the browser's, so they start with the time: https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
 */
export function createBatches(connection: number, tracksOnly: boolean, asSegment = false): () => Buffer {
	const blank = "00000000-0000-7000-8000-";
	const events = Array.from({ length: batchSize }, (_, index) =>
		event(tracksOnly ? 0 : index, undefined, `${blank}${digits(index, 12)}`),
	);
	const list = asSegment ? { batch: events.map(callOf) } : { events };
	const body = Buffer.from(JSON.stringify({ writeKey, sentAt: Date.now(), ...list }));
	const places = (text: string, offset: number) =>
		events
			.map((_, index) => index)
			.reduce<number[]>((found) => [...found, body.indexOf(text, (found.at(-1) ?? 0) + 1)], [])
			.map((place) => place + offset);
	const ids = places(blank, 0);
	const emails = places("visitor00000000", "visitor".length);
	let batch = 0;
	return () => {
		if (batch % batchesAtATime === 0) {
			const time = digits(Date.now(), 12);
			for (const place of ids) body.write(`${time.slice(0, 8)}-${time.slice(8)}`, place, "latin1");
		}
		batch += 1;
		const person = digits((connection * 7_919 + batch * 32) % people, 8);
		const serial = digits(connection, 3) + digits(batch, 6);
		for (const place of ids) body.write(serial, place + blank.length, "latin1");
		for (const place of emails) body.write(person, place, "latin1");
		return body;
	};
}
