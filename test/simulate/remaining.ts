import type { DeadLetter, OutboxStats } from "../../server/outbox/outbox.ts";
import { openSqlite } from "../../server/outbox/sqlite/open.ts";
import type { ProviderName } from "../../server/sandbox/index.ts";
import type { StoredEvent } from "../../server/stored-event.ts";
import { destinations } from "./providers.ts";

/** Content of the store at the end of the day. */
export interface Remaining {
	stats: OutboxStats;
	/** Ids of the events owed to each destination. */
	owed: Record<ProviderName, Set<string>>;
	/** Reasons of dead letters, by destination and event id. */
	dead: Record<ProviderName, Map<string, string>>;
}

const idOf = (body: string) => (JSON.parse(body) as StoredEvent).event.id;
const peopleAtOnce = 100;
const laneLimit = 10_000;

/** Reads statistics, dead letters and these people's owed events from a store that the proxy has closed. */
export async function readRemaining(file: string, site: string, people: string[]): Promise<Remaining> {
	const outbox = await openSqlite(file);
	const remaining: Remaining = {
		stats: await outbox.stats(),
		owed: { crisp: new Set(), helpcrunch: new Set(), vibetrace: new Set() },
		dead: { crisp: new Map(), helpcrunch: new Map(), vibetrace: new Map() },
	};
	const all = destinations.map((name) => ({ site, name }));
	for (let first = 0; first < people.length; first += peopleAtOnce) {
		const some = people.slice(first, first + peopleAtOnce);
		for (const { destination, body } of await outbox.findOwed({ destinations: all, people: some, limit: laneLimit })) {
			remaining.owed[destination.name as ProviderName].add(idOf(body));
		}
	}
	const addDeadLetter = ({ destination, body, reason }: DeadLetter) =>
		remaining.dead[destination as ProviderName].set(idOf(body), reason);
	for (let page = await outbox.deadLetters({ limit: 500 }); ; ) {
		page.items.forEach(addDeadLetter);
		if (page.cursor === undefined) break;
		page = await outbox.deadLetters({ limit: 500, cursor: page.cursor });
	}
	await outbox.close();
	return remaining;
}
