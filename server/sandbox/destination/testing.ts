import { AssertionError } from "node:assert";
import { type Called, callOnce } from "./call.ts";
import { eventOf, kindsOf, type TestEvent } from "./events.ts";
import type { Answering } from "./receiver.ts";
import { deliver, type TestedDestination } from "./run.ts";

export interface DestinationTestOptions {
	/**
	 * Makes the answer of the service to a request that it takes; default a 200 with the JSON `{}`. Needed by functions
	 * that read the answer.
	 */
	answer?: (request: Request) => Response | Promise<Response>;
}

/** A check of a destination. */
export interface DestinationCheck {
	/** Name of the check: `delivers`, `order`, `repeats`, `429`, `500`, `network`, `timeout`, `probe` or `remove`. */
	name: string;
	/** `skipped` if there is nothing to check: the destination has no such function, or sends no requests by its `fetch`. */
	result: "passed" | "failed" | "skipped";
	/** Everything that is wrong. */
	problems: string[];
}

/** Problems of a destination, one a line. */
export class DestinationTestError extends AssertionError {
	override readonly name = "DestinationTestError";
	readonly checks: readonly DestinationCheck[];
	constructor(checks: readonly DestinationCheck[]) {
		const lines = checks.flatMap(({ name, problems }) => problems.map((problem) => `  ${name}: ${problem}`));
		super({
			message: `the destination has ${lines.length === 1 ? "a problem" : `${lines.length} problems`}:\n${lines.join("\n")}`,
		});
		this.checks = checks;
	}
}

const okay = () => Response.json({});
const person = "ada@example.com";

/** Lists what is wrong with a call, whatever it was for. */
function general({ wrong, isEndless, blockedMs, leftUnderWay }: Called): string[] {
	return [
		...(wrong === undefined ? [] : [`send is wrong: ${wrong}`]),
		...(isEndless ? ["send does not end: wait for nothing that `signal` does not end"] : []),
		...(blockedMs > 0 ? [`send blocks the event loop for ${blockedMs} ms: all deliveries stand still meanwhile`] : []),
		...(leftUnderWay > 0
			? ["send ends before its requests are answered: await them, and return what they answer"]
			: []),
	];
}

/** Says what became of an event. */
const became = ({ kind, reason, threw }: Called): string =>
	threw !== undefined ? `threw ${threw}` : `says ${kind}${reason ? ` (${reason})` : ""}`;

/** Lists what is wrong with a call that ought to deliver. */
const undelivered = (called: Called, what: string): string[] => {
	const problems = general(called);
	return problems.length > 0 || called.kind === "delivered"
		? problems
		: [`send ${became(called)} to ${what}, although it was taken`];
};

/** Names of headers that tell a receiver which requests are the same. */
const idempotency = ["idempotency-key", "webhook-id", "x-idempotency-key", "x-request-id"];

/**
 * Runs a destination's function as the proxy would: events in order, an event twice, 429, 500, a failing network and no
 * answer at all, and its `probe` and `remove`. Its `fetch` reaches nobody. Resolves to the checks; rejects with
 * {@link DestinationTestError} if any has failed, and with a TypeError if there is no function to test. Takes 2 s at
 * most for each call that does not end. Works in any test runner.
 */
export async function testDestination(
	destination: TestedDestination,
	{ answer = okay }: DestinationTestOptions = {},
): Promise<DestinationCheck[]> {
	if (typeof destination?.send !== "function")
		throw new TypeError("there is no function to test: pass what you pass to defineDestination");
	const checks: DestinationCheck[] = [];
	const note = (name: string, problems: string[] | undefined) =>
		checks.push({
			name,
			result: problems === undefined ? "skipped" : problems.length > 0 ? "failed" : "passed",
			problems: [...new Set(problems)],
		});
	const isEndless = () => checks.some(({ problems }) => problems.some((problem) => problem.includes("does not end")));
	const kinds = kindsOf(destination.events);
	const [kind = "track"] = kinds;
	const event = () => eventOf(kind, person);
	const send = (
		events: TestEvent[],
		more: { answer?: Answering; known?: Record<string, unknown>; isCut?: boolean } = {},
	) => deliver(destination, events, { answer, known: {}, ...more });

	const problems: string[] = [];
	let requests = 0;
	for (const each of kinds) {
		const called = await send([eventOf(each, person)]);
		requests += called.sent.length;
		problems.push(...undelivered(called, `an event of ${each}`));
		if (called.isEndless) break;
	}
	note("delivers", problems);
	if (isEndless()) throw new DestinationTestError(checks);

	note("order", await checkOrder());
	note("repeats", await checkRepeats());
	const limited = new Response(null, { status: 429, headers: { "retry-after": "7" } });
	const failures: [string, Answering, (called: Called) => string | undefined][] = [
		[
			"429",
			() => limited.clone(),
			(called) => (called.kind === "wait" && called.retryAfter === 7 ? undefined : wrongAt429(called)),
		],
		[
			"500",
			() => new Response(null, { status: 500 }),
			(called) => (called.kind === "retry" ? undefined : wrongAfter(called, "a 500")),
		],
		[
			"network",
			() => Promise.reject(new TypeError("fetch failed")),
			(called) => (called.kind === "retry" ? undefined : wrongAfter(called, "a failing network")),
		],
	];
	for (const [name, failure, judge] of failures) {
		if (requests === 0) note(name, undefined);
		else {
			const called = await send([event()], { answer: failure });
			note(
				name,
				[...general(called), judge(called)].filter((each) => each !== undefined),
			);
		}
	}
	if (requests === 0) note("timeout", undefined);
	else {
		const called = await send([event()], { answer: () => undefined, isCut: true });
		const problem = called.kind === "retry" ? undefined : wrongAfter(called, "no answer");
		note(
			"timeout",
			[...general(called), problem].filter((each) => each !== undefined),
		);
	}
	note("probe", await checkOther("probe", destination.probe));
	note("remove", await checkOther("remove", destination.remove, { email: person }));
	if (checks.some(({ result }) => result === "failed")) throw new DestinationTestError(checks);
	return checks;

	async function checkOrder(): Promise<string[]> {
		const events = [event(), event(), event()];
		const batches = destination.batch ? [events.slice(0, destination.batch)] : events.map((each) => [each]);
		const found: string[] = [];
		let known: Record<string, unknown> = {};
		for (const batch of batches) {
			const called = await send(batch, { known });
			known = called.known ?? known;
			found.push(...undelivered(called, "one of several events of a person"));
		}
		return found;
	}

	async function checkRepeats(): Promise<string[]> {
		const repeated = event();
		const first = await send([repeated]);
		const second = await send([repeated], { known: first.known ?? {} });
		const keys = ({ sent }: Called) =>
			sent.flatMap(({ headers }) => idempotency.flatMap((name) => (headers[name] ? [`${name} ${headers[name]}`] : [])));
		const areSame = keys(second).every((key) => keys(first).includes(key));
		return [
			...undelivered(second, "an event that it was sent before, as happens after a crash"),
			...(areSame ? [] : ["send gives the same event another idempotency key: make it from the event's id"]),
		];
	}

	async function checkOther(name: string, other: TestedDestination["probe"], ...given: unknown[]) {
		if (!other) return undefined;
		const call = other as (...all: unknown[]) => unknown;
		const called = await callOnce((sending) => call.call(destination, ...structuredClone(given), sending), {
			answer,
			known: {},
		});
		// The proxy takes these answers of `remove` for a person who has no profile.
		if (name === "remove" && /^http_(404|410)$/.test(called.reason ?? "")) return [];
		return undelivered(called, "its request").map((problem) => problem.replace(/^send/, name));
	}
}

/** Says what comes of an answer that is told wrongly. */
function wrongAfter(called: Called, what: string): string {
	if (called.kind === "delivered") return `send says delivered after ${what}: the event would be lost`;
	if (called.kind === "rejected")
		return `send ${became(called)} after ${what}: the event would be a dead letter at once`;
	return `send ${became(called)} after ${what}: return the response, or let the error pass`;
}

function wrongAt429(called: Called): string {
	if (called.kind === "delivered" || called.kind === "rejected") return wrongAfter(called, "a 429");
	return `send ${became(called)} after a 429 with Retry-After: return the response, or { kind: "wait", retryAfter }`;
}
