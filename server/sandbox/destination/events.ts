import { randomUUID } from "node:crypto";

/** An event as a tested function gets it. */
export interface TestEvent {
	id: string;
	type: string;
	name?: string;
	at: number;
	person: { email: string };
	data: Record<string, unknown>;
}

const types = ["track", "login", "update", "confirmation", "page", "email_open"];
const data: Record<string, Record<string, unknown>> = {
	track: { product: "iPhone X", price: 999.9 },
	login: { firstname: "Ada" },
	update: { plan: "pro" },
	confirmation: { orderId: "A-1001", total: 99.9, items: [{ id: "sku-1", quantity: 1 }] },
};

/** Makes an event of a type, or of a name, in which a star stands for anything. */
export function eventOf(kind: string, person: string): TestEvent {
	const type = types.includes(kind) ? kind : "track";
	const name = type === "track" ? { name: kind === "track" ? "basket:item:added" : kind.replaceAll("*", "any") } : {};
	return { id: randomUUID(), type, ...name, at: Date.now(), person: { email: person }, data: data[type] ?? {} };
}

/** Lists the kinds of events that a destination gets; by default all but page views and opened e-mails. */
export const kindsOf = (events: readonly string[] | undefined): readonly string[] =>
	events === undefined || events.length === 0 ? types.slice(0, 4) : events;
