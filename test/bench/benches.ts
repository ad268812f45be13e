/** A bench that `npm run bench` runs in a process of its own. */
export interface Bench {
	title: string;
	file: string;
	rounds: number;
	/** Approximate duration on two cores. */
	minutes: number;
	/** Introduction to the bench's figures in docs/benchmarks.md. */
	about: string;
}

/** Sections of each bench. Each section can be run alone. */
export const sections = {
	browser: ["cost", "first", "adopt", "delivery", "kill", "memory"],
	server: [
		"ingest",
		"segment",
		"rules",
		"slowDisk",
		"delivery",
		"ownFunction",
		"latency",
		"limit",
		"hog",
		"deadDestination",
		"blockedPeople",
		"growth",
		"footprint",
		"million",
	],
	postgres: ["lanes", "group", "scale", "ingest", "million", "oldTransaction", "log", "fanOut"],
	queues: ["queues", "ingest"],
} as const;
type BenchName = keyof typeof sections;
export type SectionOf<Name extends BenchName> = (typeof sections)[Name][number];

const isBench = (name: string): name is BenchName => Object.hasOwn(sections, name);

/**
 * Parses `--only`, for example `browser,server/ingest`, to sections by bench; an empty list stands for all sections.
 * Throws a TypeError for an unknown bench or section.
 */
export function parseOnly(only: string): Map<BenchName, string[]> {
	const chosen = new Map<BenchName, string[]>();
	for (const each of only.split(",")) {
		const [bench = "", section] = each.split("/");
		if (!isBench(bench))
			throw new TypeError(`there is no bench "${bench}": choose from ${Object.keys(sections).join(", ")}`);
		const own: readonly string[] = sections[bench];
		if (section !== undefined && !own.includes(section))
			throw new TypeError(`the bench ${bench} has no section "${section}": choose from ${own.join(", ")}`);
		chosen.set(bench, [...(chosen.get(bench) ?? []), ...(section === undefined ? [] : [section])]);
	}
	return chosen;
}

/** Benches by name, in the order in which they run and are shown. */
export const benches: Record<BenchName, Bench> = {
	browser: {
		title: "In the browser",
		file: "test/bench/browser/browser.ts",
		rounds: 3,
		minutes: 14,
		about:
			"Each tracker as its documentation first shows it, page views and other automatic events off, on an empty page in Chromium, with a collector on the same machine; what a tracker fetches first, its collector serves. CPU is that of the page's main thread, less what an empty script takes. That of first events is of 8 s of a visit, with what the page itself takes, as trackers send after different times. *Lost* is what has not come although a next page of the site was opened, recorded an event of its own and stayed for a while; an outage is 20 bursts of 10 events in 2 s while nothing answers, 3 s more, and the tab closed. What becomes of events as a tab closes is a race, and is tried in every round; other counts are of one run each. Requests are told only where all events came with them; PostHog limits itself to a burst of 100 events, RudderStack keeps 100 waiting, by default. What is *sent twice* eventferry's proxy recognises by its id, and so do servers of some others. Mixpanel is the package's main build, with session recording in it; there is a smaller one. RudderStack is the build that has its plugins in it, as the other fetches them from a CDN. *bare IndexedDB* is no tracker: what it costs at least to store events, send them 5 s later while no other tab does, and delete them after the answer. The others' servers do more with what they get than eventferry does, above all analytics.",
	},
	server: {
		title: "The proxy",
		file: "test/bench/server.ts",
		rounds: 3,
		minutes: 7,
		about:
			"The proxy with SQLite (`synchronous=FULL`) in a process of its own, load and providers in others, all on one machine. Ingest: batches of 50 over 32 connections, each event checked, on disk, and fanned out to three destinations. Its peers do a part of the work: `node:http` and `JSON.parse` check and store nothing, the forwarding Express handler loses what it has when it ends. Start and memory: the built command without a cache of compiled code, 2 s after it listens; [dependencies](dependencies.md#the-start) has what the parts cost. A million events: a second of the load above, 50 events of a person in a post, for three destinations that answer at once, scaled up.",
	},
	postgres: {
		title: "On PostgreSQL",
		file: "test/bench/postgres.ts",
		rounds: 2,
		minutes: 7,
		about:
			"The same on a PostgreSQL that syncs, on the same machine as proxies and load. One and several proxies deliver together within one limit; then, as whole proxies and without a limit, to a provider that takes 20 ms for a request and four requests of each proxy at a time. A million events: as above; statements are those of the proxies. Beside an open transaction, 100,000 events wait, 50,000 were delivered since it began, and both databases were vacuumed. The log is that of 4,000 deliveries after a checkpoint. Fan-out starts with 400 batches of 50 events that waited for its lock.",
	},
	queues: {
		title: "Queues on PostgreSQL",
		file: "test/bench/queues/queues.ts",
		rounds: 2,
		minutes: 7,
		about:
			"eventferry's lanes beside queues for jobs, each event to a receiver that does nothing, 200,000 events of 20,000 people waiting at the start of each round; every delivery is checked for order and doubles. All but BullMQ on the same PostgreSQL, which syncs. eventferry: 4 takers of 250 lanes, every event settled by itself. pg-boss: policy `key_strict_fifo`, fetched and completed in loops without any polling interval, one job at a time (4 loops) or in batches that are completed together (2 loops): a batch is the quicker the larger it is, and as slow as its slowest job; all of a person's jobs that are inserted together have no order among them, so they were not. graphile-worker: a queue per person, 10 jobs at once, completions told in batches, without its `localQueue`, with which [a queue's jobs run at the same time](https://github.com/graphile/worker/issues/621). BullMQ: on Redis with `appendfsync always`; its open-source edition has no order per person (groups are Pro's), so one event at a time in all, or 50 at once without order. Strict order of each person's events is what eventferry is for; the others can do much that it cannot: priorities, schedules, any job at all. Ingest: the same batches of 50 over 32 connections to each, checked by the same code in an Express route, answered once on disk; eventferry also puts each event into its lane within the measured CPU time. pg-boss and graphile-worker deliver in each person's order, but pg-boss not those of one batch among themselves; a table and a stream are no queue yet.",
	},
};
