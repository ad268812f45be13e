import { hash } from "node:crypto";
import type { HookSource } from "../definition.ts";
import { isRecord, scalarsOf, textOf } from "../json.ts";
import { signatureCheck } from "../signature.ts";
import type { HelpCrunchKnown } from "./lookup.ts";
import type { HelpCrunchConfig } from "./options.ts";

/** Time in ms for which an id is recognised as a repeat. It is long, as web hooks have no signed time of sending. */
const repeatMs = 31 * 86_400_000;

/** Documented events, with any name after `chat.` and `message.`: https://docs.helpcrunch.com/en/webhooks/webhook-event-types */
const documented =
	/^(customer\.(new|email_updated|tags_changed|unsubscribed|subscribed|blocked|unblocked|deleted)|(chat|message)\.\w+)$/;

/** Fields of a customer that are attributes of the person. */
const attributeNames = ["name", "phone", "company", "locale"];
const identity = new Set(["id", "email", "userId", ...attributeNames]);

const customerAlias = (id: number) => `customer:${id}`;

/** Reads Unix seconds as ms: a number or text, with or without a fraction. */
const timeOf = (value: unknown, now: number): number => {
	const ms = Math.round(Number(value) * 1_000);
	return ms > 0 && Number.isSafeInteger(ms) ? ms : now;
};

/** Reads the customer that a report is about: its `customer`, or all of its data. */
function customerOf(data: Record<string, unknown>): Record<string, unknown> {
	if (isRecord(data.customer)) return data.customer;
	return typeof data.customer === "number" ? { id: data.customer } : data;
}

/** HelpCrunch's web hooks, signed with HMAC-SHA1: https://docs.helpcrunch.com/en/webhooks/setting-up-webhooks */
export const helpcrunchHooks: HookSource<Pick<HelpCrunchConfig, "hookSecret">> = {
	secrets: ["hookSecret"],

	create: ({ hookSecret }) => ({
		check({ header, isCompared }) {
			const signature = header("x-helpcrunch-signature");
			if (signature === undefined || hookSecret === undefined || !isCompared(hookSecret)) return undefined;
			return signatureCheck(signature, { algorithm: "sha1", secret: hookSecret });
		},

		read({ json, now }) {
			const event = isRecord(json) ? textOf(json.event) : undefined;
			if (!isRecord(json) || !isRecord(json.eventData) || event === undefined) return undefined;
			const { eventData: data, id } = json;
			const hasCustomer = event.startsWith("customer.") || data.customer !== undefined;
			const customer = hasCustomer ? customerOf(data) : {};
			const attributes = attributeNames.flatMap((name) => (textOf(customer[name]) ? [[name, customer[name]]] : []));
			return {
				event,
				isKnown: documented.test(event),
				at: timeOf(json.createdAt, now),
				key:
					typeof id === "string" || typeof id === "number" ? String(id) : hash("sha256", JSON.stringify(json), "hex"),
				repeatMs,
				data,
				isOurs: true,
				person: { email: textOf(customer.email), userId: textOf(customer.userId) },
				aliases: typeof customer.id === "number" ? [customerAlias(customer.id)] : [],
				isGone: event === "customer.deleted",
				attributes: { ...Object.fromEntries(attributes), ...scalarsOf(customer.customData) },
				details: scalarsOf(data, identity),
			};
		},

		aliases: ({ ids = {} }: HelpCrunchKnown) => Object.values(ids).map(customerAlias),
	}),
};
