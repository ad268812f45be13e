import {
	type Destination,
	type Fault,
	type Sandbox,
	type SandboxRequest,
	startSandbox,
} from "../../server/sandbox/index.ts";

export const destinations = ["crisp", "helpcrunch", "vibetrace"] as const;

export interface Budgets {
	/** Requests a day. */
	crisp: number;
	/** Requests a minute. */
	helpcrunch: number;
	/** Requests a second. */
	vibetrace: number;
}

/** A request as a provider saw it; little enough of it to keep all. */
export interface Seen {
	at: number;
	/** What it was for: `event`, `create`, `search`, `update`. */
	purpose: string;
	/** Who it was about, where it says so. */
	email: string | undefined;
	/** The number in its data, if it is an event's. */
	n: number | undefined;
	status: number | undefined;
}

const minute = 60_000;
/** How long a provider takes to answer. */
const latencyMs = 120;

const purposeOf = ({ method, path }: SandboxRequest): string => {
	if (/\/event/.test(path)) return "event";
	if (/search$/.test(path)) return "search";
	if (method === "POST" || method === "PUT") return "create";
	return method === "PATCH" ? "update" : method.toLowerCase();
};

function read(request: SandboxRequest): Seen {
	const { at, status, path, body } = request;
	const text = JSON.stringify(body) ?? "";
	const email = /[\w.-]+@example\.com/.exec(decodeURIComponent(path) + text)?.[0];
	const n = /"n":(\d+)/.exec(text)?.[1];
	return { at, purpose: purposeOf(request), email, n: n === undefined ? undefined : Number(n), status };
}

/** The three providers, each with a second or less to answer in, and a book of all requests. */
export async function startProviders(budgets: Budgets, others: number) {
	const sandbox: Sandbox = await startSandbox({
		// Somebody else's script uses some of the same quota.
		limits: { crispPerDay: budgets.crisp - others, helpcrunchPerMinute: budgets.helpcrunch },
	});
	const seen: Record<Destination, Seen[]> = { crisp: [], helpcrunch: [], vibetrace: [] };
	const listening = sandbox.onRequest((request) => seen[request.destination].push(read(request)));
	const normal: Record<string, () => void> = {};
	for (const name of destinations) normal[name] = sandbox.fault(name, { delayMs: latencyMs });

	return {
		sandbox,
		seen,
		/** An outage in three acts: no answer at all, errors, connections that end. Resolves when it is over. */
		async outage(name: Destination, ms: number, sleep: (ms: number) => Promise<void>): Promise<void> {
			normal[name]?.();
			const acts: [Fault, number][] = [
				[{ delayMs: minute, reset: true }, ms * 0.1],
				[{ status: 503, body: { message: "unavailable" }, delayMs: latencyMs }, ms * 0.7],
				[{ reset: true, delayMs: latencyMs }, ms * 0.2],
			];
			for (const [fault, length] of acts) {
				const clear = sandbox.fault(name, fault);
				await sleep(length);
				clear();
			}
			normal[name] = sandbox.fault(name, { delayMs: latencyMs });
		},
		async stop() {
			listening();
			await sandbox.stop();
		},
	};
}
