/** Reason of a target, and what keeps the figure from it if it was missed when it was measured last. */
export interface Reason {
	/** Names of results. */
	of: RegExp;
	why: string;
	missed?: string;
}

/** Reasons of all targets, by the names of results. The first that matches holds. */
const reasons: Reason[] = [
	{ of: /^size, Brotli/, why: "a page loads it on every first visit" },
	{
		of: /^CPU until track\(\) returns/,
		why: "the quickest of the trackers that gather events",
		missed: "each call reads the page, copies its input and checks it before it returns",
	},
	{ of: /^CPU an event, burst of 1,000/, why: "less than the smallest tracker, which sends each event by itself" },
	{
		of: /^CPU an event, bursts of 10/,
		why: "the cheapest of those that survive the tab",
		missed: "each burst is stored, sent and deleted by itself; the rounds lie on both sides of the target",
	},
	{
		of: /^first ten track\(\)/,
		why: "the quickest of the trackers that gather events, before anything is compiled or warm",
		missed:
			"each call reads the page, copies its input and checks it before it returns; the rounds of both sides overlap",
	},
	{
		of: /^CPU of the script and the first page view/,
		why: "the lightest tracker, which sends each event at once and keeps none",
		missed: "to store an event, send it 5 s later and delete it takes as much by itself: see *bare IndexedDB*",
	},
	{
		of: /^mean of track\(\) in a burst/,
		why: "the quickest of the trackers that gather events",
		missed: "the rounds lie on both sides of 1",
	},
	{ of: /^track\(\) of /, why: "a site's own call must not become noticeably slower" },
	{ of: /^requests for 50 events/, why: "one request for each 20 events, and the rest" },
	{ of: /^body an event/, why: "a dozen events fit into one packet" },
	{ of: /^requests for 1,000 events/, why: "100 events a request, and two more" },
	{ of: /^(not come|lost|sent twice|events out of order)/, why: "the promise itself" },
	{ of: /^memory more after/, why: "nothing may pile up in a page that stays open for days" },
	{ of: /^fan-out behind the last 202/, why: "delivery follows what is accepted" },
	{ of: /^post to provider/, why: "a store on disk lies between: two commits and a thread" },
	{ of: /^(requests sent in|most requests in any)/, why: "all of the budget is used, and never more" },
	{
		of: /^durable ingest, fsync \+ 2 ms/,
		why: "requests share the wait for a slow disk",
		missed:
			"the peer only waits for the disk; the proxy spreads that wait over many requests, so that the processors limit it",
	},
	{
		of: /^delivery, \d destinations$/,
		why: "the store must not slow down what the client can send",
		missed: "both sides saturate two cores; each event is read, leased and settled on disk beside its request",
	},
	{
		of: /^delivery, \d destinations: CPU/,
		why: "order, budget and durability together cost no more than ky's loop with Node's own fetch",
		missed: "the rounds lie on both sides of 1",
	},
	{ of: /^(others' p99|others beside|two destinations beside)/, why: "nobody pays for somebody else's trouble" },
	{ of: /^a lane taken and settled/, why: "a backlog must not slow its own end" },
	{ of: /^opening the store/, why: "a deployment takes as long with a backlog" },
	{ of: /^delivery to a function/, why: "a destination of one's own is no second class" },
	{
		of: /^durable ingest by Segment/,
		why: "Segment's messages are larger and are translated",
		missed: "each message is translated, and then checked like any event",
	},
	{
		of: /^ingest with \d+ rules/,
		why: "rules are free for those who have many",
		missed: "the pairs of rounds lie far on both sides of 1",
	},
	{
		of: /^start to listening/,
		why: "deployments and functions wait for it",
		missed: "Express, a thread and SQLite take 1.16 by themselves; zod, pino and all other code come on top",
	},
	{ of: /^memory of an idle proxy/, why: "a small machine has 256 MB, and the site's own app runs on it too" },
	{
		of: /^out of a backlog: CPU/,
		why: "a million events a day for three destinations take less than an hour of one core",
		missed: "on this machine a request of bare ky alone takes 0.7 to 0.97 ms: see *delivery*",
	},
	{ of: /^delivered in each person's order.*one at a time/, why: "the peer's usual way" },
	{
		of: /^delivered in each person's order/,
		why: "the peer's fastest way, though it settles a batch as a whole",
		missed: "each event is settled by itself",
	},
	{ of: /^durable ingest, eventferry/, why: "first of all that keep an order, near the fastest of the others" },
	{ of: /^leased lanes, strict order/, why: "a backlog must not slow its own end" },
	{ of: /^(one|\d) process(es)? deliver/, why: "a group uses all of the budget, and never more" },
	{ of: /^all that was sent/, why: "the provider counts a group as one" },
	{
		of: /^(one proxy|\d proxies): CPU/,
		why: "a million events a day for three destinations take less than an hour of one core",
		missed:
			"a provider that takes 20 ms wakes the proxy for each answer; on this machine a request of bare ky alone takes 0.7 to 0.97 ms: see *delivery*",
	},
	{ of: /^(one proxy|\d proxies): statements/, why: "the database is what several proxies share" },
	{ of: /^\d proxies/, why: "twice the proxies deliver twice as much" },
	{ of: /^durable ingest, \d destinations/, why: "far from what the network brings to one proxy" },
];

/** Finds the reason of a target by the name of its result. */
export const reasonOf = (name: string): Reason | undefined => reasons.find(({ of }) => of.test(name));
