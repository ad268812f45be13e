import * as z from "zod";
import { parseObject } from "../providers/json.ts";
import type { Known, Lane, Plan } from "../providers/provider.ts";
import { clean, describeError } from "./clean.ts";
import { knownBytes } from "./limits.ts";
import { type OnOwnFault, watchLoop } from "./loop-watch.ts";

const count = z.int().min(0);
const object = z.record(z.string(), z.unknown());
const known = object.superRefine((value, context) => {
	const bytes = Buffer.byteLength(JSON.stringify(value));
	if (bytes > knownBytes)
		context.addIssue({ code: "custom", message: `is ${bytes} bytes of JSON, more than ${knownBytes}` });
});
const reason = z.string().transform((text) => clean(text) || "unnamed");

const requestSchema = z.object({
	purpose: z.string().refine((purpose) => purpose !== "probe" && purpose !== "remove"),
	method: z.enum(["GET", "POST", "PATCH", "PUT", "DELETE"]),
	path: z.array(z.string()),
	query: z.record(z.string(), z.string()).optional(),
	body: object.optional(),
	ifDelivered: known,
	ifMissing: known.optional(),
});

/** The plan of a destination's own `plan`. */
const planSchema = z.discriminatedUnion("kind", [
	z.object({ kind: z.literal("send"), request: requestSchema, settles: count, covers: count.min(1) }),
	z.object({ kind: z.literal("done"), settles: count.min(1) }),
	z.object({ kind: z.literal("discard"), settles: count.min(1), reason }),
	z.object({ kind: z.literal("refuse"), reason, message: z.string().transform(clean) }),
]);

/**
 * Has a destination's own function plan. It gets copies, and its plan is copied as JSON. A plan that cannot be used is a
 * refusal that says why.
 */
export function planWith(
	destination: string,
	plan: (lane: Lane, known: Known, now: number) => unknown,
	lane: Lane,
	before: Known,
	now: number,
	onFault: OnOwnFault,
): Plan {
	const wrong = (why: string): Plan => ({
		kind: "refuse",
		reason: "invalid_plan",
		message: `${destination}: plan ${why}`,
	});
	let made: unknown;
	const watch = watchLoop(destination, onFault);
	try {
		made = plan(structuredClone(lane) as Lane, structuredClone(before), now);
	} catch (thrown) {
		return wrong(`threw ${describeError(thrown)}`);
	} finally {
		watch.waits();
		watch.end();
	}
	if (made instanceof Promise) {
		made.catch(() => {});
		return wrong("returned a promise: it must plan at once");
	}
	const copy = toJson(made);
	if (!copy) return wrong("returned no plan");
	const { success, data, error } = planSchema.safeParse(copy);
	if (!success) {
		const [issue] = error.issues;
		return wrong(`is wrong at ${issue?.path.join(".") || "its kind"}: ${issue?.message}`);
	}
	const most = lane.length;
	const isBeyond = ("settles" in data && data.settles > most) || ("covers" in data && data.covers > most);
	return isBeyond ? wrong(`is wrong: there are ${most} events only`) : data;
}

function toJson(value: unknown): object | undefined {
	try {
		return parseObject(JSON.stringify(value));
	} catch {
		return undefined;
	}
}
