import { hash } from "node:crypto";
import { type Hook, type HookRequest, type HookSource, isRecord, scalarsOf, textOf } from "../hook.ts";
import { isSigned } from "../signature.ts";
import { customerAlias } from "./helpcrunch.ts";

/** What a site has of its HelpCrunch account for web hooks. */
export interface HelpCrunchHookAccount {
	hookSecret?: string | undefined;
}

/** Nothing in what HelpCrunch signs tells when: an id that was taken is not taken again for this long. */
const repeatMs = 31 * 86_400_000;

/** What the documentation names; chats and their messages by their beginnings. */
const known =
	/^(customer\.(new|email_updated|tags_changed|unsubscribed|subscribed|blocked|unblocked|deleted)|(chat|message)\.\w+)$/;

/** Fields of a customer that are attributes elsewhere; the others are about HelpCrunch's own doings. */
const attributeNames = ["name", "phone", "company", "locale"];
const identity = new Set(["id", "email", "userId", ...attributeNames]);

/** Unix seconds, a number or text, with a fraction or without. */
const timeOf = (value: unknown, now: number): number => {
	const ms = Math.round(Number(value) * 1_000);
	return ms > 0 && Number.isSafeInteger(ms) ? ms : now;
};

/** The customer whom it is about: all of `eventData`, or a part of it. */
function customerOf(data: Record<string, unknown>): Record<string, unknown> {
	if (isRecord(data.customer)) return data.customer;
	return typeof data.customer === "number" ? { id: data.customer } : data;
}

/** HelpCrunch's web hooks, signed with HMAC-SHA1: https://docs.helpcrunch.com/en/webhooks */
export const helpcrunchHooks: HookSource<HelpCrunchHookAccount> = {
	name: "helpcrunch",

	vouches({ hookSecret }, request) {
		const signature = request.header("x-helpcrunch-signature");
		if (signature === undefined || hookSecret === undefined) return false;
		return isSigned(request, signature, { algorithm: "sha1", secret: hookSecret });
	},

	read({ json, now }: HookRequest): Hook | undefined {
		if (!isRecord(json) || !isRecord(json.eventData)) return undefined;
		const event = textOf(json.event);
		if (event === undefined) return undefined;
		const { eventData: data, id } = json;
		const isAbout = event.startsWith("customer.") || data.customer !== undefined;
		const customer = isAbout ? customerOf(data) : {};
		const email = textOf(customer.email);
		const userId = textOf(customer.userId);
		const attributes = Object.fromEntries(
			attributeNames.flatMap((name) => (textOf(customer[name]) === undefined ? [] : [[name, customer[name]]])),
		);
		return {
			event,
			isKnown: known.test(event),
			at: timeOf(json.createdAt, now),
			key: typeof id === "string" || typeof id === "number" ? String(id) : hash("sha256", JSON.stringify(json), "hex"),
			repeatMs,
			data,
			account: undefined,
			person: { ...(email !== undefined && { email }), ...(userId !== undefined && { userId }) },
			aliases: typeof customer.id === "number" ? [customerAlias(customer.id)] : [],
			isGone: event === "customer.deleted",
			attributes: { ...attributes, ...scalarsOf(customer.customData) },
			details: scalarsOf(data, identity),
		};
	},

	concerns: () => true,
};
