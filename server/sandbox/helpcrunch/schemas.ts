import * as z from "zod";

// https://docs.helpcrunch.com/en/rest-api-v1: add-customer-event-v1, create-customer-v1, update-customer-v1,
// search-customers-v1. Messages are those of the documentation where it has any.

const blank = "This value should not be blank.";
const typed = (type: string) => (issue: { input?: unknown }) =>
	issue.input === undefined ? blank : `This value should be of type ${type}.`;

const text = z.string({ error: typed("string") });
const numeric = z.number({ error: typed("numeric") });
const flag = z.boolean({ error: typed("bool") });
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()], { error: typed("scalar") });
/** Unix seconds: numbers in older documentation, strings in newer. */
const time = z.union([z.number(), z.string().regex(/^\d+(\.\d+)?$/)], { error: typed("numeric") });

/** `POST /events`; `customer` is HelpCrunch's own id, never an e-mail or a userId. */
export const customerEvent = z.strictObject({
	customer: numeric,
	name: text.min(1, blank),
	data: z.record(z.string(), z.unknown(), { error: typed("array") }).optional(),
});

const fields = {
	name: text,
	email: text.regex(/^[^\s@]+@[^\s@]+$/, "This value is not a valid email address."),
	userId: text,
	company: text,
	phone: text,
	firstSeen: time,
	lastSeen: time,
	source: text,
	referer: text,
	lastPage: text,
	locale: text.regex(/^[a-z]{2}$/i, "This value is not a valid language."),
	notes: text,
	unsubscribed: flag,
	blocked: flag,
	createdFrom: text,
	integrationId: numeric,
};
const nullable = Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name, schema.nullable()]));

/** Custom attributes as a list; web hooks show them as an object. */
export const customData = z.array(z.strictObject({ property: text.min(1, blank), value: scalar }), {
	error: typed("array"),
});

const tags = z.array(z.strictObject({ name: text.min(1, blank), color: text.optional() }), { error: typed("array") });

/** `PUT` and `DELETE /customers/{id}/tags`. */
export const customerTags = z.strictObject({ tags });

/** `POST /customers`, `PATCH` and `PUT /customers/{id}`: no field is required, `null` clears one. */
export const customer = z
	.strictObject({
		...nullable,
		tags,
		customData,
	})
	.partial();

const strings = ["name", "email", "company", "phone", "countryCode", "city", "regionCode", "userId"];
const messengers = ["telegramId", "facebookId", "instagramId", "viberId", "whatsappId"];
const searchable: Record<string, z.ZodType> = {
	...Object.fromEntries([...strings, ...messengers].map((name) => [`customers.${name}`, text])),
	"customers.id": numeric,
	"customers.lastSeen": time,
	"customers.tagsData": z.array(z.strictObject({ name: text }), { error: typed("array") }),
};

const condition = z
	.strictObject({
		field: z.enum(Object.keys(searchable), { error: (issue) => (issue.input ? "This field is unknown." : blank) }),
		operator: z.enum(["=", "!=", "~", ">", ">="], {
			error: (issue) => (issue.input ? "This operator is unknown." : blank),
		}),
		value: z.unknown().optional(),
	})
	.superRefine(({ field, value }, context) => {
		// A value of another type than its field makes the whole search fail.
		const problem = searchable[field]?.safeParse(value).error?.issues[0];
		if (problem) context.addIssue({ code: "custom", path: ["value"], message: problem.message });
	});
export type SearchCondition = z.infer<typeof condition>;

/** `POST /customers/search`. */
export const customerSearch = z.strictObject({
	filter: z.array(condition, { error: typed("array") }).min(1, blank),
	comparison: z.enum(["AND", "OR"]).default("AND"),
	limit: numeric.int().min(1).max(100).default(20),
	offset: numeric.int().min(0).default(0),
	sort: z.enum([...Object.keys(searchable), "customers.firstSeen"]).default("customers.id"),
	order: z.enum(["ASC", "DESC"]).default("ASC"),
});

/** One entry of HelpCrunch's error list; `code` is the field's path, like `filter[0].field`. */
export interface Violation {
	code: string;
	message: string;
}

/** Lists the mistakes in a body as HelpCrunch does. */
export function violations(error: z.ZodError): Violation[] {
	return error.issues.flatMap((issue) => {
		const at = issue.path.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`)).join("");
		if (issue.code === "unrecognized_keys")
			return issue.keys.map((key) => ({ code: `${at}.${key}`.slice(1), message: "This field was not expected." }));
		return [{ code: at.replace(/^\./, "") || "body", message: issue.message }];
	});
}
