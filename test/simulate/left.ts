import type { DeadLetter, OutboxStats } from "../../server/outbox/outbox.ts";
import { openSqlite } from "../../server/outbox/sqlite/open.ts";
import type { Destination } from "../../server/sandbox/index.ts";
import type { StoredEvent } from "../../server/stored-event.ts";
import { destinations } from "./providers.ts";

/** What the store still holds at the end of the day. */
export interface Left {
	stats: OutboxStats;
	/** Ids of the events that each destination is owed. */
	owed: Record<Destination, Set<string>>;
	/** Why an event died, by destination and id. */
	dead: Record<Destination, Map<string, string>>;
}

const idOf = (body: string) => (JSON.parse(body) as StoredEvent).event.id;
const peopleAtOnce = 100;
const laneLimit = 10_000;

/** Opens the store that the proxy has closed, through its own interface, and reads what is owed to these people. */
export async function readLeft(file: string, site: string, people: string[]): Promise<Left> {
	const outbox = await openSqlite(file);
	const left: Left = {
		stats: await outbox.stats(),
		owed: { crisp: new Set(), helpcrunch: new Set(), vibetrace: new Set() },
		dead: { crisp: new Map(), helpcrunch: new Map(), vibetrace: new Map() },
	};
	const all = destinations.map((name) => ({ site, name }));
	for (let first = 0; first < people.length; first += peopleAtOnce) {
		const persons = people.slice(first, first + peopleAtOnce);
		for (const { destination, body } of await outbox.findOwed({ destinations: all, persons, limit: laneLimit })) {
			left.owed[destination.name as Destination].add(idOf(body));
		}
	}
	const bury = ({ destination, body, reason }: DeadLetter) =>
		left.dead[destination as Destination].set(idOf(body), reason);
	for (let page = await outbox.deadLetters({ limit: 500 }); ; ) {
		page.items.forEach(bury);
		if (page.cursor === undefined) break;
		page = await outbox.deadLetters({ limit: 500, cursor: page.cursor });
	}
	await outbox.close();
	return left;
}
