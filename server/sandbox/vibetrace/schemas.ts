import * as z from "zod";

// https://help.vtcdn.net/kb/how-to-send-events-via-api/; payloads of some types are from Vibetrace's v3
// documentation. Unknown fields are ignored, as its API overview says, so these objects are not strict.

const text = z.string().min(1);

const eventTypes = new Map<string, z.ZodType<Record<string, unknown>>>(
	Object.entries({
		update: z.looseObject({}),
		login: z.looseObject({ email: text }),
		confirmation: z.looseObject({
			orderId: z.union([text, z.number()]),
			total: z.union([z.number(), z.string()]).optional(),
			items: z.array(z.looseObject({ id: z.union([text, z.number()]), quantity: z.number() })).optional(),
		}),
		// Nested twice, as documented.
		generic: z.object({ generic: z.looseObject({ event_name: text }) }),
		viewitem: z.looseObject({ itemId: z.union([text, z.number()]) }),
		viewcategory: z.looseObject({ category: text }),
		search: z.looseObject({ query: text }),
		addtocart: z.looseObject({ cartId: z.union([text, z.number()]), itemId: z.union([text, z.number()]) }),
		checkout: z.looseObject({ cartId: z.union([text, z.number()]) }),
	}),
);

const envelope = z.object({
	user: z.union([z.object({ email: text }), z.object({ _id: text })]),
	event: z.record(z.string(), z.unknown()),
});

/** An event as Vibetrace reads it. */
export interface VibetraceEvent {
	user: { email: string } | { _id: string };
	type: string;
	payload: Record<string, unknown>;
}

/** Reads the body of `POST /event`; returns the event, or a description of the mistake. */
export function readEvent(body: unknown): VibetraceEvent | string {
	const { data } = envelope.safeParse(body);
	if (!data) return "Please send event information along with user";
	const entries = Object.entries(data.event);
	const [entry] = entries;
	if (!entry || entries.length > 1) return "Please send exactly one event type";
	const [type, content] = entry;
	const payload = eventTypes.get(type)?.safeParse(content);
	if (!payload) return `The event type ${type} is not declared`;
	if (!payload.success) return `Please send valid ${type} information: ${z.prettifyError(payload.error)}`;
	return { user: data.user, type, payload: payload.data };
}

/** The body of `POST /user` and `PUT /user/{email}`: an object of attributes. */
export const userAttributes = z.record(z.string(), z.unknown());
/** The body of `POST /user`, which requires the e-mail. */
export const newUser = z.looseObject({ email: z.string().regex(/^[^\s@]+@[^\s@]+$/) });
