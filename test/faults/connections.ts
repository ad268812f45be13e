import { expect } from "vitest";
import type { Sandbox } from "../../server/sandbox/index.ts";
import { environment, postEvents, track } from "../support/served.ts";

/** Number of times that each random fault is repeated: `npm run test:faults -- --rounds N`. */
export const rounds = Number(process.env.EVENTFERRY_FAULT_ROUNDS ?? 10);

/** Environment of a proxy that delivers only to Crisp's sandbox, with a budget that is never spent. */
export function crispEnvironment(sandbox: Sandbox, store: string): Record<string, string> {
	const all = Object.entries(environment(sandbox)).filter(([name]) => !/^(HELPCRUNCH|VIBETRACE)_/.test(name));
	return { ...Object.fromEntries(all), CRISP_DAILY_BUDGET: "1000000", EVENTFERRY_STORE: `sqlite:${store}` };
}

interface Posted {
	name: string;
	/** True once the test has received a 202 for the event. */
	acknowledged: boolean;
}

/** Records the events that arrive at Crisp, by person. The sandbox itself remembers only its latest requests. */
export function arrivalsAt(sandbox: Sandbox, people: string[]): ReadonlyMap<string, string[]> {
	const arrived = new Map(people.map((email) => [email, [] as string[]]));
	sandbox.onRequest(({ destination, path, status, body }) => {
		const email = decodeURIComponent(/\/people\/events\/([^/]+)$/.exec(path)?.[1] ?? "");
		if (destination === "crisp" && status === 200) arrived.get(email)?.push((body as { text: string }).text);
	});
	return arrived;
}

/** Posts events for people, each over a connection of their own, and checks the arrivals over all rounds. */
export function createTraffic(sandbox: Sandbox, people: string[]) {
	const posted = new Map(people.map((email) => [email, [] as Posted[]]));
	const arrived = arrivalsAt(sandbox, people);
	for (const email of people) sandbox.addPerson("crisp", { email });

	async function postUntilGone(url: string, email: string, events: Posted[], onAcknowledged: () => void) {
		for (;;) {
			// Batches hold one, two and three events in turn.
			const batch = Array.from({ length: 1 + (events.length % 3) }, (_, index) => ({
				name: String(events.length + index),
				acknowledged: false,
			}));
			events.push(...batch);
			const sent = batch.map(({ name }) => track(name, { person: { email } }));
			const response = await postEvents(url, sent).catch(() => undefined);
			if (response?.status !== 202) return;
			for (const each of batch) each.acknowledged = true;
			onAcknowledged();
		}
	}

	return {
		/** Posts over all connections and calls `endProxy` after `answers` 202s; resolves once the proxy is gone. */
		async post(url: string, answers: number, endProxy: () => Promise<void>): Promise<void> {
			const { promise: enough, resolve } = Promise.withResolvers<void>();
			let seen = 0;
			const onAcknowledged = () => {
				seen += 1;
				if (seen === answers) resolve();
			};
			const posting = [...posted].map(([email, events]) => postUntilGone(url, email, events, onAcknowledged));
			await Promise.race([enough, Promise.all(posting)]);
			await endProxy();
			await Promise.all(posting);
		},

		acknowledged: () => [...posted.values()].flat().filter(({ acknowledged }) => acknowledged).length,

		/** Lists acknowledged events that never arrived. */
		lost: () =>
			[...posted].flatMap(([email, events]) =>
				events
					.filter(({ name, acknowledged }) => acknowledged && !arrived.get(email)?.includes(name))
					.map(({ name }) => `${email} ${name}`),
			),

		/**
		 * Expects that every acknowledged event arrived, each person's in the order posted, and every repeat right after
		 * its original. An event without a 202 may be stored or not. Returns the number of repeats.
		 */
		expectAll(): number {
			let repeats = 0;
			for (const [email, events] of posted) {
				const all = arrived.get(email) ?? [];
				const once = all.filter((name, index) => name !== all[index - 1]);
				const due = events.filter(({ name, acknowledged }) => acknowledged || once.includes(name));
				expect(once, email).toEqual(due.map(({ name }) => name));
				repeats += all.length - once.length;
			}
			return repeats;
		},
	};
}

/** Returns a random whole number from 1 to `most`. */
export const randomUpTo = (most: number): number => 1 + Math.floor(Math.random() * most);
