import * as z from "zod";
import { isPublicHost } from "../destinations/address-range.ts";
import { batchMost, type OwnDestination } from "../destinations/destination.ts";
import { isLoopback } from "../http/loopback.ts";
import { isRecord } from "../providers/json.ts";
import { text } from "../providers/options.ts";
import { providerNames } from "../providers/registry.ts";
import { type DeliveryOptions, deliveryOptions } from "./destination.ts";

const aFunction = <Key extends "send" | "plan" | "probe" | "remove">(_name: Key) =>
	z
		.custom<NonNullable<OwnDestination[Key]>>((value) => typeof value === "function", {
			error: "must be a function",
			abort: false,
		})
		.optional();

/** Length of a URL, in characters. */
const urlMost = 2_048;
const parsed = (url: string) => (URL.canParse(url) ? new URL(url) : undefined);

const url = text("an address that takes events by POST")
	.max(urlMost, `must be at most ${urlMost} characters long`)
	.refine((value) => /^https?:$/.test(parsed(value)?.protocol ?? ""), "must be a URL that starts with https://")
	.refine(
		// Guard (SECURITY.md): own-https
		(value) => parsed(value)?.protocol !== "http:" || isLoopback(value),
		"must start with https://; http:// is allowed for a loopback address only",
	)
	.refine((value) => !parsed(value)?.username && !parsed(value)?.password, "must not contain a user or a password")
	.refine((value) => !parsed(value)?.hash, "must not contain a fragment");

/** Secret by https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
const secretHint =
	"must be whsec_ and 24 to 64 random bytes in base64: make one with echo whsec_$(openssl rand -base64 32)";
const secret = text("a secret for signatures").refine((value) => {
	const [, base64] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(value) ?? [];
	const bytes = Buffer.from(base64 ?? "", "base64");
	return bytes.length >= 24 && bytes.length <= 64;
}, secretHint);

const budget = z.strictObject(
	{
		requests: z.int("must be a whole number of requests, 1 or more").min(1, "must be 1 or more"),
		per: z.enum(["day", "minute", "second"], 'must be "day", "minute" or "second"'),
	},
	{ error: ({ code }) => (code === "invalid_type" ? 'must be like { requests: 50, per: "minute" }' : undefined) },
);

const { events, dayStartsAt, reserve, maxWait } = deliveryOptions;

const ownSchema = z.strictObject({
	url: url.optional(),
	secret: secret.optional(),
	allowPrivate: z.boolean("must be true or false").optional(),
	send: aFunction("send"),
	plan: aFunction("plan"),
	probe: aFunction("probe"),
	remove: aFunction("remove"),
	batch: z
		.int(`must be a whole number of events, 1 to ${batchMost}`)
		.min(1, "must be 1 or more")
		.max(batchMost, `must be ${batchMost} or less`)
		.optional(),
	budget: budget.optional(),
	events,
	dayStartsAt,
	reserve,
	maxWait,
});
type Own = z.output<typeof ownSchema>;

/** A checked destination of your own. */
type CheckedOwnDestination = OwnDestination & Omit<DeliveryOptions, "budget">;

/** Names the options that do not fit together. */
function checkTogether(own: Own, context: z.RefinementCtx): void {
	const wrong = (option: keyof Own, message: string) => context.addIssue({ code: "custom", path: [option], message });
	if (own.url === undefined && own.send === undefined) {
		const isAddress = own.secret !== undefined || own.allowPrivate !== undefined;
		wrong(
			isAddress ? "url" : "send",
			isAddress
				? "is missing: an address that takes events by POST"
				: "is missing: a function that delivers an event, or a url",
		);
	}
	if (own.url !== undefined) {
		for (const option of ["send", "plan", "probe", "remove", "batch"] as const)
			if (own[option] !== undefined) wrong(option, "does not go with url: a destination is a function or an address");
		// Guard (SECURITY.md): own-private-literals
		if (!own.allowPrivate && !isPublicHost(own.url))
			wrong("url", "is in a private network: add allowPrivate: true if that is meant");
	} else {
		for (const option of ["secret", "allowPrivate"] as const)
			if (own[option] !== undefined && own.send !== undefined)
				wrong(option, "goes with url only: sign in your function");
	}
	if (own.plan !== undefined && own.batch !== undefined)
		wrong("batch", "does not go with plan, which tells how many events it covers");
}

const methods = ["send", "plan", "probe", "remove"] as const;

/** Binds the functions of a destination to it, so that an instance of a class keeps its fields when it is checked. */
function bound(value: unknown): unknown {
	if (!isRecord(value)) return value;
	const own = methods.flatMap((name) => {
		const method = value[name];
		return typeof method === "function" ? [[name, method.bind(value)]] : [];
	});
	return { ...value, ...Object.fromEntries(own) };
}

const isObject = ({ value }: { value: unknown }) => typeof value === "object" && value !== null;
const name = /^[a-z][a-z0-9_-]{0,31}$/;

function checkNames(destinations: Record<string, unknown>, context: z.RefinementCtx): void {
	for (const key of Object.keys(destinations)) {
		const isTaken = providerNames.some((provider) => provider === key);
		const message = isTaken
			? "has the name of a provider: choose another"
			: "must have a name of a-z, 0-9, _ and -, 32 at most, that begins with a letter";
		if (isTaken || !name.test(key)) context.addIssue({ code: "custom", path: [key], message });
	}
}

/** Schema of a site's own destinations, by name. */
export type OwnDestinations = z.ZodOptional<
	z.ZodType<Record<string, CheckedOwnDestination>, Record<string, OwnDestination>>
>;

export const ownDestinations = z
	.record(z.string(), z.preprocess(bound, ownSchema.superRefine(checkTogether, { when: isObject })))
	.superRefine(checkNames, { when: isObject })
	.optional() as unknown as OwnDestinations;
