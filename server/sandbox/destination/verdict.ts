/** Maximum size of what a function remembers of a person, in bytes of JSON. */
const knownBytes = 8_192;
const kinds = ["delivered", "retry", "wait", "rejected", "paused", "unknownPerson"];

/** The meaning that the proxy gives to what a function returned or threw. */
export interface Verdict {
	kind: string;
	/** Mistakes of the answer itself. */
	wrong?: string;
	known?: Record<string, unknown>;
	retryAfter?: number;
	reason?: string;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
	typeof value === "object" && value !== null && !Array.isArray(value);

/** A `Response` of Node or of any library that has the same shape. */
const isResponse = (answer: unknown): answer is Response =>
	answer instanceof Response ||
	(isRecord(answer) && typeof answer.status === "number" && typeof (answer.headers as Headers)?.get === "function");

function kindOf(status: number): string {
	if (status >= 200 && status < 300) return "delivered";
	if (status === 429) return "wait";
	if (status === 401 || status === 403) return "paused";
	return status === 408 || status >= 500 || status < 200 ? "retry" : "rejected";
}

function wrongKnown(known: unknown): string | undefined {
	if (known === undefined) return undefined;
	if (!isRecord(known)) return "known must be a JSON object";
	try {
		const text = JSON.stringify(known);
		// A toJSON makes anything of it.
		if (!text?.startsWith("{")) return "known must be a JSON object";
		const bytes = Buffer.byteLength(text);
		return bytes > knownBytes ? `known is ${bytes} bytes of JSON, more than ${knownBytes}` : undefined;
	} catch {
		return "known must be a JSON object, without cycles and BigInts";
	}
}

/** Says what is wrong with the other fields of an answer. */
function wrongField({ retryAfter, reason }: Record<string, unknown>): string | undefined {
	if (reason !== undefined && typeof reason !== "string") return "reason must be text";
	if (retryAfter === undefined) return undefined;
	if (typeof retryAfter !== "number" || !Number.isFinite(retryAfter)) return "retryAfter must be a number of seconds";
	return retryAfter < 0 ? "retryAfter must be 0 or more" : undefined;
}

/** Tells the meaning of what a function returned, by the proxy's rules. */
export function verdictOf(answer: unknown): Verdict {
	if (isResponse(answer)) {
		const retryAfter = Number(answer.headers.get("retry-after") ?? Number.NaN);
		return { kind: kindOf(answer.status), reason: `http_${answer.status}`, retryAfter };
	}
	if (answer === undefined) return { kind: "rejected", wrong: "it returned nothing: return a Response or { kind: … }" };
	if (!isRecord(answer) || !kinds.includes(String(answer.kind)))
		return {
			kind: "rejected",
			wrong: `it returned neither a Response nor a { kind } of ${kinds.slice(0, 5).join(", ")}`,
		};
	const { kind, known, retryAfter, reason } = answer;
	const wrong = wrongKnown(known) ?? wrongField(answer);
	return {
		kind: String(kind),
		...(wrong !== undefined ? { wrong } : isRecord(known) && { known }),
		...(typeof retryAfter === "number" && { retryAfter }),
		...(typeof reason === "string" && { reason }),
	};
}
