import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Dispatcher, type Notice, startDispatcher } from "../../../server/delivery/dispatcher.ts";
import type { BudgetLimits, Outbox } from "../../../server/outbox/outbox.ts";
import { openSqlite } from "../../../server/outbox/sqlite/open.ts";
import { createProvider } from "../../../server/providers/registry.ts";
import { type Sandbox, startSandbox } from "../../../server/sandbox/index.ts";
import type { StoredEvent } from "../../../server/stored-event.ts";
import type { Event } from "../../../shared/event.ts";
import { temporaryFolder } from "../../support/served.ts";

describe("the dispatcher", () => {
	let sandbox: Sandbox;
	let outbox: Outbox;
	let folder: ReturnType<typeof temporaryFolder>;
	let dispatchers: Dispatcher[];
	let notices: Notice[];
	/** Allows notices of faults, which otherwise fail the test. */
	let mayFault: boolean;
	beforeEach(async () => {
		sandbox = await startSandbox();
		folder = temporaryFolder();
		outbox = await openSqlite(`${folder.path}/store.db`);
		dispatchers = [];
		notices = [];
		mayFault = false;
	});
	afterEach(async () => {
		await Promise.all(dispatchers.map((dispatcher) => dispatcher.stop(0)));
		await outbox.close();
		await sandbox.stop();
		folder.remove();
	});

	const plenty = { cap: 1_000, reserve: 0, bucket: 1_000, windowMs: 1_000, windowOffsetMs: 0 };

	function start(name: "vibetrace" | "helpcrunch" | "crisp", limits: BudgetLimits = plenty): Dispatcher {
		const common = { createPeople: "always", occurredAt: "never" } as const;
		const provider =
			name === "vibetrace"
				? createProvider("vibetrace", { ...common, ...sandbox.destinations.vibetrace, standardEvents: [] })
				: name === "crisp"
					? createProvider("crisp", { ...common, ...sandbox.destinations.crisp, createFirst: false })
					: createProvider("helpcrunch", { ...common, ...sandbox.destinations.helpcrunch });
		const dispatcher = startDispatcher({
			destination: { site: "site", name },
			provider,
			outbox,
			limits,
			now: Date.now,
			random: () => 0,
			notify(notice) {
				notices.push(notice);
				if (notice.kind === "fault" && !mayFault) throw new Error(notice.message, { cause: notice.error });
			},
		});
		dispatchers.push(dispatcher);
		return dispatcher;
	}

	type Made = Pick<Event, "type"> & { name?: string; data?: Record<string, unknown> };
	async function append(email: string, events: Made[], destinations = ["vibetrace"], isKnown = true): Promise<void> {
		for (const name of destinations) {
			if (!isKnown || sandbox.people(name as "vibetrace").some((person) => person.email === email)) continue;
			sandbox.addPerson(name as "vibetrace", { email });
		}
		await outbox.append({
			site: "site",
			events: events.map((made) => {
				const event = { id: crypto.randomUUID(), at: Date.now(), person: { email }, ...made } as Event;
				const stored: StoredEvent = { event, trusted: true, receivedAt: Date.now() };
				return {
					person: `email:${email}`,
					body: JSON.stringify(stored),
					destinations,
					claims: [],
					rank: 0,
					reserved: true,
					trusted: true,
				};
			}),
		});
	}
	const track = (name: string): Made => ({ type: "track", name });
	const update = (data: Record<string, unknown>): Made => ({ type: "update", data });

	/** Events that Vibetrace accepted, in order, each as its name or its attributes. */
	const taken = () =>
		sandbox
			.requests("vibetrace")
			.filter(({ status }) => status === 200)
			.map(({ body }) => {
				const { event } = body as { event: { generic?: { generic: { event_name: string } }; update?: unknown } };
				return event.generic?.generic.event_name ?? event.update;
			});
	const settled = () =>
		vi.waitFor(
			async () => {
				const stats = await outbox.stats();
				expect([stats.journal, ...stats.destinations.map(({ owed }) => owed)].filter(Boolean)).toEqual([]);
			},
			{ timeout: 60_000 },
		);

	it("retries failed requests and keeps the order", async () => {
		sandbox.fault("vibetrace", { status: 503, times: 3 });
		sandbox.fault("vibetrace", { reset: true, times: 2 });
		start("vibetrace");
		await append("ada@example.com", [track("1"), track("2"), track("3")]);
		await settled();
		expect(taken()).toEqual(["1", "2", "3"]);
	});

	it("goes on at once when the budget's window has ended before the store's grant arrives", async () => {
		let slow = 3;
		const { advance } = outbox;
		outbox.advance = async (request) => {
			const granted = await advance(request);
			if (slow-- > 0) await vi.waitUntil(() => Date.now() >= granted.until, { timeout: 5_000 });
			return granted;
		};
		await append("ada@example.com", [track("1"), track("2")]);
		await vi.waitFor(async () => expect((await outbox.stats()).journal).toBe(0), { timeout: 60_000 });
		start("vibetrace");
		await settled();
		expect(taken()).toEqual(["1", "2"]);
	});

	it("waits for the Retry-After of a 429 and counts no attempt", async () => {
		sandbox.fault("vibetrace", { status: 429, retryAfter: 1, times: 1 });
		const dispatcher = start("vibetrace");
		await append("ada@example.com", [track("1")]);
		await vi.waitFor(() => expect(dispatcher.state().kind).toBe("waiting"), { timeout: 60_000 });
		await settled();
		const [refused, answered] = sandbox.requests("vibetrace");
		expect((answered?.at ?? 0) - (refused?.at ?? 0)).toBeGreaterThanOrEqual(990);
		expect(dispatcher.state().kind).toBe("running");
	});

	it("reports a dead letter only once it is stored", async () => {
		sandbox.fault("vibetrace", { status: 400, times: 2 });
		const { settle } = outbox;
		outbox.settle = async (settlement) =>
			settlement.lease.person === "email:ada@example.com" ? "lost" : settle(settlement);
		start("vibetrace");
		await append("ada@example.com", [track("1")]);
		await append("bob@example.com", [track("2")]);
		await vi.waitFor(() => expect(notices.filter(({ kind }) => kind === "step").length).toBe(2), { timeout: 60_000 });
		expect(
			notices
				.filter(({ kind }) => kind === "lost" || kind === "dead")
				.map(({ kind }) => kind)
				.toSorted(),
		).toEqual(["dead", "lost"]);
	});

	it("reports a dead letter whose event could not be planned", async () => {
		mayFault = true;
		start("vibetrace");
		const event = { destinations: ["vibetrace"], claims: [], rank: 0, reserved: true, trusted: true };
		await outbox.append({ site: "site", events: [{ ...event, person: "email:ada@example.com", body: "no JSON" }] });
		const expected = [{ kind: "fault" }, { kind: "dead", reason: "internal_error" }];
		await vi.waitFor(() => expect(notices).toMatchObject(expected), { timeout: 60_000 });
	});

	it("pauses when its key is refused; nothing is lost and other destinations go on", async () => {
		const heal = sandbox.fault("vibetrace", { status: 401, body: {} });
		const dispatcher = start("vibetrace");
		start("helpcrunch");
		await append("ada@example.com", [track("1")], ["vibetrace", "helpcrunch"]);
		await sandbox.until((requests) => requests.some(({ path, status }) => path === "/events" && status === 200), {
			destination: "helpcrunch",
		});
		await vi.waitFor(() => expect(dispatcher.state()).toMatchObject({ kind: "paused", reason: "http_401" }), {
			timeout: 60_000,
		});
		expect(sandbox.requests("vibetrace").map(({ method }) => method)).toEqual(["POST", "GET"]);
		heal();
		// After a restart a paused destination is probed at once.
		await dispatcher.stop(0);
		start("vibetrace");
		await settled();
		expect(taken()).toEqual(["1"]);
	});

	it("makes a dead letter of a rejected event and goes on with the lane", async () => {
		sandbox.fault("vibetrace", {
			status: 400,
			body: { errors: [{ message: "Invalid", description: "no" }] },
			times: 1,
		});
		start("vibetrace");
		await append("ada@example.com", [track("1"), track("2")]);
		await settled();
		expect(taken()).toEqual(["2"]);
		const { items } = await outbox.deadLetters({ limit: 10 });
		expect(items).toMatchObject([{ status: 400, reason: "Invalid", message: "Invalid no", attempts: 1 }]);
		expect(JSON.parse(items[0]?.body ?? "")).toMatchObject({ event: { name: "1" } });
	});

	it("merges adjacent updates into one request, and still delivers the others if one is refused", async () => {
		const dead = { status: 400, body: { errors: [{ message: "Invalid" }] } };
		// The three together are refused, then the first two, then the first alone.
		sandbox.fault("vibetrace", { ...dead, times: 3 });
		await append("ada@example.com", [update({ a: "bad" }), update({ b: 1 }), update({ b: 2, c: 3 })]);
		start("vibetrace");
		await settled();
		expect(taken()).toEqual([{ b: 2, c: 3 }]);
		const { items } = await outbox.deadLetters({ limit: 10 });
		expect(items.map(({ body }) => JSON.parse(body).event.data)).toEqual([{ a: "bad" }]);
	});

	it("counts the attributes that the provider cannot take", async () => {
		start("vibetrace");
		await append("ada@example.com", [update({ plan: "pro", nested: { a: 1 }, list: [1] })]);
		await settled();
		expect(taken()).toEqual([{ plan: "pro" }]);
		expect((await outbox.stats()).destinations).toMatchObject([{ delivered: 1, leftOut: 2 }]);
	});

	it("gives up an event after three unreadable answers", async () => {
		sandbox.fault("vibetrace", { status: 200, body: "<html>", contentType: "text/html", times: 3 });
		start("vibetrace");
		await append("ada@example.com", [track("1"), track("2")]);
		await settled();
		expect((await outbox.deadLetters({ limit: 10 })).items).toMatchObject([{ reason: "unreadable", attempts: 3 }]);
	});

	it("spends a handful of requests on an outage, however many people wait", async () => {
		const heal = sandbox.fault("vibetrace", { status: 500 });
		await Promise.all(Array.from({ length: 300 }, (_, person) => append(`${person}@example.com`, [track("1")])));
		const dispatcher = start("vibetrace");
		await vi.waitFor(() => expect(dispatcher.state()).toMatchObject({ kind: "paused", reason: "http_500" }), {
			timeout: 60_000,
		});
		// Ten failures in a row lead to a probe. Four more requests may be under way then, and four more begin meanwhile.
		expect(dispatcher.requests()).toBeLessThanOrEqual(19);
		heal();
	});

	it.each([
		["vibetrace", 1],
		["helpcrunch", 1],
		["crisp", 2],
	] as const)("sends %s a backlog of 100 updates in as few requests as possible: %d", async (name, requests) => {
		const updates = Array.from({ length: 100 }, (_, index) => update({ name: `Ada ${index}`, visits: index }));
		// The first event causes every look-up of the person.
		await append("ada@example.com", [track("1")], [name]);
		start(name);
		await settled();
		await Promise.all(dispatchers.splice(0).map((dispatcher) => dispatcher.stop(10_000)));
		const before = sandbox.requests(name).length;
		await append("ada@example.com", updates, [name]);
		start(name);
		await settled();
		expect(sandbox.requests(name).length - before).toBe(requests);
	});

	it.each(["vibetrace", "helpcrunch", "crisp"] as const)(
		"sends %s one request per event once the person is known",
		async (name) => {
			start(name);
			await append("ada@example.com", [track("0")], [name]);
			await settled();
			const before = sandbox.requests(name).length;
			await append(
				"ada@example.com",
				Array.from({ length: 20 }, (_, index) => track(String(index))),
				[name],
			);
			await settled();
			expect(sandbox.requests(name).length - before).toBe(20);
		},
	);

	it("spends no more than its budget, and goes on in the next window", async () => {
		const windowMs = 1_000;
		start("vibetrace", { cap: 5, reserve: 0, bucket: 5, windowMs, windowOffsetMs: 0 });
		await append(
			"ada@example.com",
			Array.from({ length: 12 }, (_, index) => track(String(index))),
		);
		await settled();
		// At five a window, eleven requests reach into a third one, so a whole window lies between the first and the last.
		const [first, ...rest] = sandbox.requests("vibetrace").map(({ at }) => at);
		expect((rest[9] ?? 0) - (first ?? 0)).toBeGreaterThan(0.9 * windowMs);
	});

	it("finishes one person's requests before it begins the next person's, as the budget may run out in between", async () => {
		for (let person = 0; person < 20; person += 1) {
			await append(`${person}@example.com`, [track("1")], ["crisp"], false);
		}
		start("crisp", { cap: 30, reserve: 0, bucket: 30, windowMs: 86_400_000, windowOffsetMs: 0 });
		await sandbox.until((requests) => requests.length === 30);
		await vi.waitFor(async () => {
			// Each person costs three requests (look-up, creation, event), and four people are served at a time.
			const [{ delivered = 0 } = {}] = (await outbox.stats()).destinations;
			expect(delivered).toBeGreaterThanOrEqual(8);
		});
	});

	it("sends one request per person at a time and lets other people in between a long lane's events", async () => {
		await append(
			"ada@example.com",
			Array.from({ length: 30 }, (_, index) => track(`a${index}`)),
		);
		await append("bob@example.com", [track("b")]);
		start("vibetrace");
		await settled();
		const order = taken() as string[];
		expect(order.indexOf("b")).toBeLessThan(5);
		expect(order.filter((name) => name !== "b")).toEqual(Array.from({ length: 30 }, (_, index) => `a${index}`));
	});

	it("finishes requests in flight when it is stopped, and begins no more", async () => {
		const heal = sandbox.fault("vibetrace", { delayMs: 200 });
		const dispatcher = start("vibetrace");
		await append("ada@example.com", [track("1"), track("2")]);
		await sandbox.until((requests) => requests.length === 1);
		await dispatcher.stop(10_000);
		heal();
		const { destinations } = await outbox.stats();
		expect(destinations).toMatchObject([{ delivered: 1, owed: 1 }]);
	});

	it("aborts requests in flight when the grace period is over, and delivers their events after a restart", async () => {
		const heal = sandbox.fault("vibetrace", { delayMs: 60_000 });
		const dispatcher = start("vibetrace");
		await append("ada@example.com", [track("1")]);
		await sandbox.until((requests) => requests.length === 1);
		await dispatcher.stop(0);
		heal();
		start("vibetrace");
		await settled();
		expect(taken()).toEqual(["1"]);
	});

	/** Appends one event for each of this many people and waits for fan-out. Resolves to their e-mails. */
	async function appendFor(people: number): Promise<string[]> {
		const emails = Array.from({ length: people }, (_, index) => `person-${index}@example.com`);
		for (const email of emails) await append(email, [track(email)]);
		await vi.waitFor(async () => expect((await outbox.stats()).journal).toBe(0), { timeout: 20_000 });
		return emails;
	}
	/** Resolves once the store has answered all earlier calls and the calls that followed from them. */
	async function stored(): Promise<void> {
		for (let times = 0; times < 5; times += 1) await outbox.stats();
	}
	const statesOf = async (emails: string[]) => {
		const people = emails.map((email) => `email:${email}`);
		const destinations = [{ site: "site", name: "vibetrace" }];
		return (await outbox.findOwed({ destinations, people, limit: 1 })).map(({ person, state }) => ({ person, state }));
	};

	it("calls take once for one event", async () => {
		const { take } = outbox;
		const leased: number[] = [];
		outbox.take = async (request) => {
			const taken = await take(request);
			leased.push(taken.leases.length);
			return taken;
		};
		start("vibetrace");
		await vi.waitFor(() => expect(leased).toEqual([0]), { timeout: 20_000 });
		await append("ada@example.com", [track("1")]);
		await settled();
		await stored();
		expect(leased.slice(1)).toEqual([1]);
	});

	it("begins other lanes' requests while settlements wait for the disk, but no more than eight", async () => {
		await appendFor(12);
		const { settle } = outbox;
		const disk = Promise.withResolvers<void>();
		outbox.settle = async (settlement) => {
			await disk.promise;
			return settle(settlement);
		};
		start("vibetrace");
		await sandbox.until((requests) => requests.length === 8);
		await stored();
		expect(sandbox.requests("vibetrace")).toHaveLength(8);
		disk.resolve();
		await settled();
		expect(new Set(taken()).size).toBe(12);
		expect(taken()).toHaveLength(12);
	});

	it("begins no request once it is stopped, and gives back lanes that it was leasing", async () => {
		const emails = await appendFor(12);
		const { take } = outbox;
		const [asked, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
		outbox.take = async (request) => {
			const taken = await take(request);
			asked.resolve();
			await answered.promise;
			return taken;
		};
		const dispatcher = start("vibetrace");
		await asked.promise;
		const stopped = dispatcher.stop(10_000);
		answered.resolve();
		await stopped;
		expect(sandbox.requests("vibetrace")).toEqual([]);
		expect((await statesOf(emails)).map(({ state }) => state)).toEqual(emails.map(() => "ready"));
	});

	it("gives back lanes leased ahead when the destination is held", async () => {
		const emails = await appendFor(12);
		sandbox.fault("vibetrace", { status: 429, retryAfter: 3_600 });
		const dispatcher = start("vibetrace");
		await vi.waitFor(() => expect(dispatcher.state().kind).toBe("waiting"), { timeout: 20_000 });
		await vi.waitFor(async () => expect((await statesOf(emails)).map(({ state }) => state)).not.toContain("leased"), {
			timeout: 20_000,
		});
		const limited = (await statesOf(emails)).filter(({ state }) => state === "waiting");
		expect(limited).toHaveLength(sandbox.requests("vibetrace").length);
		expect(limited.length).toBeLessThanOrEqual(4);
	});

	it("begins no request for a person once quiet() waits for them", async () => {
		const emails = await appendFor(12);
		const heal = sandbox.fault("vibetrace", { delayMs: 60_000 });
		const dispatcher = start("vibetrace");
		await sandbox.until((requests) => requests.length === 4);
		await vi.waitFor(
			async () => expect((await statesOf(emails)).filter(({ state }) => state === "leased")).toHaveLength(8),
			{ timeout: 20_000 },
		);
		const begun = sandbox.requests("vibetrace").map(({ body }) => (body as { user: { email: string } }).user.email);
		const ahead = (await statesOf(emails)).filter(
			({ person, state }) => state === "leased" && !begun.some((email) => person === `email:${email}`),
		);
		expect(ahead).toHaveLength(4);
		const people = ahead.map(({ person }) => person);
		await outbox.forget({ site: "site", people });
		await dispatcher.quiet(people);
		await dispatcher.stop(0);
		heal();
		start("vibetrace");
		await settled();
		expect(new Set(taken()).size).toBe(8);
	});
});
