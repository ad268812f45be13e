import {
	type Fault,
	type ProviderName,
	type Sandbox,
	type SandboxRequest,
	startSandbox,
} from "../../server/sandbox/index.ts";

export const destinations = ["crisp", "helpcrunch", "vibetrace"] as const;

export interface Budgets {
	/** Requests per day. */
	crisp: number;
	/** Requests per minute. */
	helpcrunch: number;
	/** Requests per second. */
	vibetrace: number;
}

/** Record of a request at a provider, small enough to keep all of them. */
export interface Seen {
	at: number;
	/** Purpose of the request: `event`, `digest`, `create`, `search`, `update`. */
	purpose: string;
	/** E-mail of the person, if the request contains it. */
	email: string | undefined;
	/** Number of the event, if the request contains one. */
	n: number | undefined;
	status: number | undefined;
}

const minute = 60_000;
/** Time that a provider takes to answer. */
const latencyMs = 120;

const purposeOf = ({ method, path, body }: SandboxRequest): string => {
	if (/\/event/.test(path)) return JSON.stringify(body)?.includes('"first_at"') ? "digest" : "event";
	if (/search$/.test(path)) return "search";
	if (method === "POST" || method === "PUT") return "create";
	return method === "PATCH" ? "update" : method.toLowerCase();
};

function read(request: SandboxRequest): Seen {
	const { at, status, path, body } = request;
	const text = JSON.stringify(body) ?? "";
	const email = /[\w.-]+@example\.com/.exec(decodeURIComponent(path) + text)?.[0];
	const purpose = purposeOf(request);
	const n = purpose === "digest" ? undefined : /"n":(\d+)/.exec(text)?.[1];
	return { at, purpose, email, n: n === undefined ? undefined : Number(n), status };
}

/** Counts the requests of a day's quota that other scripts use. */
export const othersOf = (perDay: number): number => Math.round(perDay * 0.03);

/** Starts the three providers and records their requests. Other scripts use some of Crisp's quota. */
export async function startProviders(budgets: Budgets) {
	const sandbox: Sandbox = await startSandbox({
		limits: { crispPerDay: budgets.crisp - othersOf(budgets.crisp), helpcrunchPerMinute: budgets.helpcrunch },
	});
	const seen: Record<ProviderName, Seen[]> = { crisp: [], helpcrunch: [], vibetrace: [] };
	const listening = sandbox.onRequest((request) => seen[request.destination].push(read(request)));
	const normal: Record<string, () => void> = {};
	for (const name of destinations) normal[name] = sandbox.fault(name, { delayMs: latencyMs });

	return {
		sandbox,
		seen,
		/** Simulates an outage in three phases: no answers, errors, reset connections. Resolves once it is over. */
		async outage(name: ProviderName, ms: number, sleep: (ms: number) => Promise<void>): Promise<void> {
			normal[name]?.();
			const phases: [Fault, number][] = [
				[{ delayMs: minute, reset: true }, ms * 0.1],
				[{ status: 503, body: { message: "unavailable" }, delayMs: latencyMs }, ms * 0.7],
				[{ reset: true, delayMs: latencyMs }, ms * 0.2],
			];
			for (const [fault, length] of phases) {
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
