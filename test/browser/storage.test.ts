import { expect, test } from "vitest";
import { protocolOf } from "./chromium.ts";
import { isLeftOut, type Page } from "./engine.ts";
import {
	call,
	flush,
	hurry,
	type Loaded,
	login,
	notices,
	state,
	untilState,
	untilStored,
	useWorld,
	world,
} from "./page.ts";
import { scriptTag, stub, taken } from "./site.ts";

useWorld();

type Break = () => void;

const withoutIndexedDb: Break = () => {
	Object.defineProperty(window, "indexedDB", { value: undefined });
};
const throwsOnOpen: Break = () => {
	IDBFactory.prototype.open = () => {
		throw new DOMException("The operation is insecure.", "SecurityError");
	};
};
const failsToOpen: Break = () => {
	IDBFactory.prototype.open = () => {
		const request = {} as IDBOpenDBRequest & { error: unknown };
		setTimeout(() => {
			Object.assign(request, { error: new DOMException("Internal error.", "UnknownError") });
			request.onerror?.(new Event("error"));
		});
		return request;
	};
};
const hangsOnOpen: Break = () => {
	IDBFactory.prototype.open = () => ({}) as IDBOpenDBRequest;
};
const closesForGood: Break = () => {
	IDBDatabase.prototype.transaction = () => {
		throw new DOMException("The database connection is closing.", "InvalidStateError");
	};
};
const isFull: Break = () => {
	const { put } = IDBObjectStore.prototype;
	IDBObjectStore.prototype.put = function (...given) {
		const request = put.apply(this, given);
		this.transaction.abort();
		return request;
	};
};

const broken: [what: string, breakIt: Break][] = [
	["is missing", withoutIndexedDb],
	["throws", throwsOnOpen],
	["fails", failsToOpen],
	["hangs on open", hangsOnOpen],
	["closes under the page for good", closesForGood],
	["is full", isFull],
];

/** Denies localStorage, as to a visitor who blocks all cookies. */
const denyLocalStorage: Break = () => {
	Object.defineProperty(window, "localStorage", {
		get() {
			throw new DOMException("Access is denied for this document.", "SecurityError");
		},
	});
};

/** A stub that collects notices from the start. */
const listening = `${stub}<script>
	window.notices = [];
	for (const kind of ["error", "dropped", "rejected"]) {
		eventferry.push(["on", kind, ({ reason }) => notices.push({ kind, reason })]);
	}
</script>`;

/** Opens a page and collects its errors. */
const openQuietly = async () => {
	world.site.pages.set("/quiet", listening + scriptTag());
	const page = await world.visitor.newPage();
	const errors: string[] = [];
	page.on("pageerror", ({ message }) => errors.push(message));
	await page.goto(`${world.site.origin}/quiet`);
	return { page, errors };
};

/** Leaves a page whose last requests get no answer, and opens the next one, which sends what is stored. */
async function leaveAndReturn(page: Page) {
	await page.evaluate(() => {
		window.fetch = () => new Promise(() => {});
	});
	await page.goto("about:blank");
	world.site.batches.length = 0;
	world.site.answerWith(taken);
	const next = await openQuietly();
	await flush(next.page);
	await untilState(next.page, ({ waiting }) => waiting === 0);
	return next;
}

const failures = async (page: Page) =>
	((await notices(page)) as { reason: string }[]).filter(({ reason }) => reason === "IndexedDB failed");

test.each(broken)("IndexedDB %s: events outlive the page in localStorage, with one notice", async (_, breakIt) => {
	await hurry(8);
	await world.visitor.addInitScript(breakIt);
	world.site.answerWith(() => ({ status: 500 }));
	const { page, errors } = await openQuietly();
	await call(page, login, ["track", "kept"]);
	await flush(page);
	// Only events that are not delivered soon are written, so the failure of a write comes later.
	await expect.poll(() => failures(page)).toHaveLength(1);
	await call(page, ["track", "kept too"]);
	await flush(page);
	expect(await state(page)).toMatchObject({ waiting: 3 });
	expect(await failures(page)).toHaveLength(1);
	const next = await leaveAndReturn(page);
	expect(world.site.names()).toEqual(["login", "kept", "kept too"]);
	expect([...errors, ...next.errors]).toEqual([]);
	expect(await next.page.evaluate(() => Object.keys(localStorage).filter((key) => key.includes(":event:")))).toEqual(
		[],
	);
});

test.each(broken)("IndexedDB %s and localStorage is denied: events are sent from memory", async (_, breakIt) => {
	await hurry(8);
	await world.visitor.addInitScript(breakIt);
	await world.visitor.addInitScript(denyLocalStorage);
	const { page, errors } = await openQuietly();
	await call(page, ["track", "held"], login, ["track", "known"]);
	await flush(page);
	expect(world.site.names()).toEqual(["held", "login", "known"]);
	await call(page, ["track", "as the page goes"]);
	await page.close({ runBeforeUnload: true });
	await world.site.until(() => world.site.names().includes("as the page goes"));
	expect(errors).toEqual([]);
});

test("localStorage is denied: held events still outlive the page", async () => {
	await world.visitor.addInitScript(denyLocalStorage);
	const { page, errors } = await openQuietly();
	await call(page, ["track", "held"]);
	await untilStored(page, 1);
	await page.reload();
	await untilState(page, ({ held }) => held === 1);
	await call(page, login);
	await flush(page);
	await untilState(page, ({ waiting }) => waiting === 0);
	expect(world.site.names()).toEqual(["held", "login"]);
	expect(errors).toEqual([]);
});

const hasNoProtocol = isLeftOut(
	["firefox", "webkit"],
	"setting a quota and clearing a site's data need Chromium's protocol",
);

test.skipIf(hasNoProtocol)(
	"a browser's real quota: events that do not fit in IndexedDB stay in memory and are sent as soon as possible",
	async () => {
		world.site.answerWith(() => ({ status: 500 }));
		const { page, errors } = await openQuietly();
		const session = await protocolOf(page);
		await session.send("Storage.overrideQuotaForOrigin", { origin: world.site.origin, quotaSize: 200_000 });
		await call(
			page,
			login,
			...Array.from({ length: 60 }, (_, n) => ["track", `event ${n}`, { text: "x".repeat(16_000) }]),
		);
		await flush(page);
		await flush(page);
		expect(await state(page)).toMatchObject({ waiting: 61 });
		world.site.batches.length = 0;
		world.site.answerWith(taken);
		await flush(page);
		expect(await state(page)).toMatchObject({ waiting: 0 });
		expect([...world.site.counts().values()]).toEqual(Array(61).fill(1));
		expect(errors).toEqual([]);
	},
);

const clearing: [what: string, clear: (page: Page) => Promise<unknown>][] = [
	[
		"the visitor clears the site's data",
		async (page) => {
			const session = await protocolOf(page);
			await session.send("Storage.clearDataForOrigin", { origin: world.site.origin, storageTypes: "all" });
		},
	],
	[
		"the page deletes every database and clears localStorage",
		(page) =>
			page.evaluate(async () => {
				localStorage.clear();
				for (const { name } of await indexedDB.databases()) {
					await new Promise((resolve, reject) => {
						const deleting = indexedDB.deleteDatabase(name as string);
						deleting.onsuccess = resolve;
						deleting.onblocked = deleting.onerror = reject;
					});
				}
			}),
	],
];

test.each(hasNoProtocol ? clearing.slice(1) : clearing)(
	"%s while it runs: the page keeps its events and stores them again",
	async (_, clear) => {
		world.site.answerWith(() => ({ status: 500 }));
		const { page, errors } = await openQuietly();
		await call(page, login, ["track", "before"]);
		await flush(page);
		await untilStored(page, 2);
		await clear(page);
		await call(page, ["track", "after"]);
		await flush(page);
		expect(await state(page)).toMatchObject({ waiting: 3, email: "ada@example.com" });
		await untilStored(page, 3);
		expect(await failures(page)).toEqual([]);
		world.site.batches.length = 0;
		world.site.answerWith(taken);
		await flush(page);
		expect(world.site.names()).toEqual(["login", "before", "after"]);
		expect(await state(page)).toMatchObject({ waiting: 0 });
		expect(errors).toEqual([]);
	},
);

test("without any storage no method throws, and none rejects", async () => {
	await hurry(8);
	await world.visitor.addInitScript(hangsOnOpen);
	await world.visitor.addInitScript(denyLocalStorage);
	world.site.pages.set("/pages", scriptTag("data-pages"));
	const page = await world.visitor.newPage();
	const errors: string[] = [];
	page.on("pageerror", ({ message }) => errors.push(message));
	await page.goto(`${world.site.origin}/pages`);
	await page.evaluate(async () => {
		const { eventferry } = window as unknown as Loaded;
		eventferry.track("one");
		eventferry.login({ email: "ada@example.com" });
		eventferry.update({ plan: "pro" });
		eventferry.confirmation({ orderId: "A-1" });
		eventferry.reset();
		eventferry.optOut();
		eventferry.optIn();
		eventferry.track("two");
		await eventferry.flush();
		eventferry.state();
	});
	expect(errors).toEqual([]);
});

test("with the APIs of Chrome 85, Firefox 79 and Safari 14 alone, events are stored, outlive the page and are sent once", async () => {
	await world.visitor.addInitScript(() => {
		const missing: [object, ...string[]][] = [
			[window, "BroadcastChannel", "CompressionStream", "scheduler", "structuredClone"],
			[Navigator.prototype, "locks", "userAgentData"],
			[AbortSignal, "any", "timeout"],
			[AbortSignal.prototype, "throwIfAborted"],
			[IDBFactory.prototype, "databases"],
			[IDBTransaction.prototype, "commit", "durability"],
			[Crypto.prototype, "randomUUID"],
			[Object, "hasOwn", "groupBy"],
			[Array, "fromAsync"],
			[Array.prototype, "at", "findLast", "findLastIndex", "toReversed", "toSorted", "toSpliced", "with"],
			[String.prototype, "at", "isWellFormed", "toWellFormed"],
			[Promise, "try", "withResolvers"],
		];
		for (const [owner, ...names] of missing) for (const name of names) Reflect.deleteProperty(owner, name);
	});
	world.site.answerWith(() => ({ status: 500 }));
	const { page, errors } = await openQuietly();
	await call(page, login, ["track", "kept", { text: "x".repeat(3_000) }]);
	await flush(page);
	await untilStored(page, 2);
	expect(await failures(page)).toEqual([]);
	const next = await leaveAndReturn(page);
	expect(world.site.names()).toEqual(["login", "kept"]);
	expect(await failures(next.page)).toEqual([]);
	expect([...errors, ...next.errors]).toEqual([]);
});
