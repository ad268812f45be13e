import * as z from "zod";
import { retryAfterMs } from "../providers/exchange.ts";
import { isRecord, parseObject } from "../providers/json.ts";
import type { Known, Outcome } from "../providers/provider.ts";
import { readBytes } from "./bounded-fetch.ts";
import { clean, cleanReason } from "./clean.ts";
import { knownBytes } from "./limits.ts";

const dayMs = 86_400_000;

/** A mistake in what a function returned. Its message contains nothing of the value. */
export class AnswerError extends Error {
	override readonly name = "AnswerError";
}

/** Copies knowledge as JSON, so that it is the same when it is read again. Throws {@link AnswerError}. */
function storable(known: unknown): Known {
	if (!isRecord(known)) throw new AnswerError("known must be a JSON object");
	let text: string | undefined;
	try {
		text = JSON.stringify(known);
	} catch {
		throw new AnswerError("known must be a JSON object, without cycles and BigInts");
	}
	const bytes = Buffer.byteLength(text ?? "");
	if (bytes > knownBytes) throw new AnswerError(`known is ${bytes} bytes of JSON, more than ${knownBytes}`);
	// It may have become anything by a toJSON of its own.
	const stored = parseObject(text);
	if (!stored) throw new AnswerError("known must be a JSON object");
	return stored;
}

const answerSchema = z.object({
	kind: z.enum(
		["delivered", "retry", "wait", "rejected", "paused", "unknownPerson"],
		'kind must be "delivered", "retry", "wait", "rejected" or "paused"',
	),
	known: z.unknown().optional(),
	retryAfter: z.number("retryAfter must be a number of seconds").min(0, "retryAfter must be 0 or more").optional(),
	reason: z.string("reason must be text").optional(),
});

/** Reads an object that says by itself what it means. Throws {@link AnswerError}. */
function readObject(answer: object, before: Known): Outcome {
	const parsed = answerSchema.safeParse(answer);
	if (!parsed.success) throw new AnswerError(parsed.error.issues.map(({ message }) => message).join("; "));
	const { kind, retryAfter, reason = "" } = parsed.data;
	const known = parsed.data.known === undefined ? undefined : storable(parsed.data.known);
	const told = { reason: cleanReason(reason) || kind, known };
	// Takes 0 for no time, as in the header: a wait would end at once.
	const forMs = retryAfter ? Math.min(retryAfter * 1_000, dayMs) : undefined;
	switch (kind) {
		case "delivered":
			return { kind, known: known ?? before };
		case "unknownPerson":
			if (!known) throw new AnswerError("unknownPerson needs known, from which the next plan finds or creates them");
			return { kind, known };
		case "retry":
		case "wait":
			return { kind, ...told, forMs };
		case "paused":
			return { kind, ...told };
		case "rejected":
			return { kind, ...told, message: undefined };
	}
}

/** A `Response` of Node or of any library that has the same shape. */
const isResponse = (answer: object): answer is Response =>
	answer instanceof Response ||
	("status" in answer &&
		typeof answer.status === "number" &&
		"headers" in answer &&
		typeof (answer.headers as Headers)?.get === "function");

/** Reads the text of an answer if nobody has, up to 64 KB, until the call's signal is aborted. */
async function textOf({ body, bodyUsed }: Response, signal: AbortSignal): Promise<string> {
	if (!(body instanceof ReadableStream) || bodyUsed || body.locked) return "";
	const aborted = new Promise<undefined>((resolve) => {
		signal.addEventListener("abort", () => resolve(undefined), { once: true });
	});
	const bytes = await Promise.race([readBytes(body).catch(() => undefined), aborted]);
	return new TextDecoder().decode(bytes);
}

/** Lets go of a body that nobody reads. */
function drop({ body, bodyUsed }: Response): void {
	if (body instanceof ReadableStream && !bodyUsed && !body.locked) body.cancel().catch(() => {});
}

/** Tells the meaning of a response by its status. */
async function readResponse(response: Response, known: Known, signal: AbortSignal): Promise<Outcome> {
	const { status } = response;
	const reason = `http_${status}`;
	const isSuccess = status >= 200 && status < 300;
	if (isSuccess || status === 401 || status === 403 || status === 408 || status === 429 || status >= 500)
		drop(response);
	if (isSuccess) return { kind: "delivered", known, status };
	const forMs = retryAfterMs(response.headers.get("retry-after") ?? undefined);
	if (status === 429) return { kind: "wait", reason, status, forMs };
	if (status === 401 || status === 403) return { kind: "paused", reason, status };
	// A status below 200 is that of no answer, as of Response.error().
	if (status === 408 || status >= 500 || status < 200) return { kind: "retry", reason, status, forMs };
	return { kind: "rejected", reason, status, message: clean(await textOf(response, signal)) || undefined };
}

/**
 * Tells the meaning of what a function returned, at the latest when the call's signal is aborted. Rejects with
 * {@link AnswerError} if it means nothing.
 */
export async function readAnswer(answer: unknown, known: Known, signal: AbortSignal): Promise<Outcome> {
	if (answer === undefined) throw new AnswerError("it returned nothing: return a Response or { kind: … }");
	if (typeof answer !== "object" || answer === null || Array.isArray(answer))
		throw new AnswerError(
			`it returned ${answer === null ? "null" : Array.isArray(answer) ? "a list" : `a ${typeof answer}`}: return a Response or { kind: … }`,
		);
	return isResponse(answer) ? readResponse(answer, known, signal) : readObject(answer, known);
}
