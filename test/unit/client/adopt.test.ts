// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Adopted, adopt } from "../../../client/adopt.ts";
import type { Tracker } from "../../../client/index.ts";

// biome-ignore lint/suspicious/noExplicitAny: pages put anything under these names
type Page = Record<string, any>;
const page = window as unknown as Page;
const globals = [
	"$crisp",
	"HelpCrunch",
	"helpcrunchSettings",
	"_vteq",
	"vt",
	"dataLayer",
	"gtag",
	"analytics",
	"rudderanalytics",
];

/** Calls of the tracker's methods. */
let said: unknown[][];
/** Values of `context.via`, in the order of the calls. */
let vias: unknown[];
/** Calls that the vendor's script has seen, from its queue and directly. */
let saw: unknown[];
let stops: (() => void)[];

const tracker = new Proxy({} as Page, {
	get:
		(_target, method: string) =>
		(...args: unknown[]) => {
			const { via, ...rest } = (method === "reset" ? {} : args.pop()) as Page;
			vias.push(via || undefined);
			// A tracker copies by JSON, and refuses what is no object.
			const [data] = args.slice(-1);
			const copied = JSON.parse(
				JSON.stringify(method === "track" && data === 0 ? [method, "refused"] : [method, ...args, rest]),
			);
			said.push(Object.keys(copied.at(-1)).length === 0 ? copied.slice(0, -1) : copied);
		},
}) as unknown as Tracker;
const start = (...names: Adopted[]) => {
	const stop = adopt(tracker, names);
	stops.push(stop);
	return stop;
};

beforeEach(() => {
	said = [];
	vias = [];
	saw = [];
	stops = [];
});
afterEach(() => {
	for (const stop of stops) stop();
	for (const name of globals) delete page[name];
	document.head.innerHTML = "";
	vi.useRealTimers();
});

interface Vendor {
	/** Puts the vendor's snippet into the page. */
	stub(): void;
	/** Runs the vendor's script, which replaces the global. */
	script(): void;
	/** Makes a call as pages do. */
	call(given: unknown): void;
}

const queueOf = (name: string): Vendor => ({
	stub: () => {
		page[name] = [];
	},
	script: () => {
		saw.push(...page[name]);
		page[name] = { push: (...items: unknown[]) => void saw.push(...items) };
	},
	call: (item) => page[name].push(item),
});
const methodsOf = (name: string): Vendor => ({
	stub: () => {
		const stub: Page = [];
		page[name] = stub;
		for (const method of ["identify", "track", "page", "reset", "alias", "group"])
			stub[method] = (...args: unknown[]) => {
				stub.push([method, ...args]);
				return stub;
			};
	},
	script: () => {
		saw.push(...page[name]);
		const see =
			(method: string) =>
			(...args: unknown[]) =>
				void saw.push([method, ...args]);
		page[name] = Object.fromEntries(
			["identify", "track", "page", "reset", "alias", "group"].map((method) => [method, see(method)]),
		);
	},
	call: (given) => {
		const [method, ...args] = given as [string, ...unknown[]];
		page[name][method](...args);
	},
});

const crisp = queueOf("$crisp");
const vibetrace = queueOf("_vteq");
const helpcrunch: Vendor = {
	stub: () => {
		page.HelpCrunch = function HelpCrunch() {
			// biome-ignore lint/complexity/noArguments: as HelpCrunch's snippet does
			page.HelpCrunch.q.push(arguments);
		};
		page.HelpCrunch.q = [];
	},
	script: () => {
		saw.push(...page.HelpCrunch.q.map((args: ArrayLike<unknown>) => Array.from(args)));
		page.HelpCrunch = (...args: unknown[]) => void saw.push(args);
	},
	call: (args) => page.HelpCrunch(...(args as unknown[])),
};
const ga4: Vendor = {
	stub: () => {
		page.dataLayer = [];
		page.gtag = function gtag() {
			// biome-ignore lint/complexity/noArguments: as Google's snippet does
			page.dataLayer.push(arguments);
		};
	},
	// Tag Manager keeps the list, and puts its own `push` around the one that it finds.
	script: () => {
		const list = page.dataLayer;
		saw.push(...list);
		const { push } = list;
		list.push = (...items: unknown[]) => {
			saw.push(...items);
			return push.apply(list, items);
		};
	},
	call: (item) => page.dataLayer.push(item),
};
const gtag: Vendor = { ...ga4, call: (args) => page.gtag(...(args as unknown[])) };

const items = [{ item_id: "sku-1", item_name: "Tea", price: "4.50", quantity: "2", item_brand: "Ada" }];
const bought = [{ id: "sku-1", name: "Tea", price: 4.5, quantity: 2 }];
const email = "ada@example.com";
const hash = "b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514";

/** Call that the tracker refuses, without data. */
const refused = (name: Adopted) => ["track", name];

type Row = [what: string, vendor: Vendor, given: unknown, ...said: unknown[][]];
const rows: Record<Adopted, Row[]> = {
	crisp: [
		["an e-mail", crisp, ["set", "user:email", [email]], ["login", { email }]],
		["an e-mail with a signature", crisp, ["set", "user:email", [email, "signature"]], ["login", { email }]],
		["an e-mail without a list", crisp, ["set", "user:email", email], ["login", { email }]],
		["a hashed e-mail", crisp, ["set", "user:email", [hash]], ["update", ""]],
		["a nickname", crisp, ["set", "user:nickname", ["Ada"]], ["update", { nickname: "Ada" }]],
		["a phone", crisp, ["set", "user:phone", ["+44 1"]], ["update", { phone: "+44 1" }]],
		[
			"an avatar",
			crisp,
			["set", "user:avatar", ["https://a.example/a.png"]],
			["update", { avatar: "https://a.example/a.png" }],
		],
		[
			"a company",
			crisp,
			["set", "user:company", ["Analytical", { url: "https://a.example" }]],
			["update", { company: "Analytical" }],
		],
		["a pair of data", crisp, ["set", "session:data", ["plan", "pro"]], ["update", { plan: "pro" }]],
		[
			"pairs of data",
			crisp,
			[
				"set",
				"session:data",
				[
					[
						["plan", "pro"],
						["seats", 3],
					],
				],
			],
			["update", { plan: "pro", seats: 3 }],
		],
		[
			"pairs of data, nested too little",
			crisp,
			[
				"set",
				"session:data",
				[
					["plan", "pro"],
					["seats", 3],
				],
			],
			["update", { plan: "pro", seats: 3 }],
		],
		["segments", crisp, ["set", "session:segments", [["vip", "eu"]]], ["update", { segments: ["vip", "eu"] }]],
		[
			"segments that replace others",
			crisp,
			["set", "session:segments", [["vip", "eu"], true]],
			["update", { segments: ["vip", "eu"] }],
		],
		["segments, nested too little", crisp, ["set", "session:segments", ["vip"]], ["update", { segments: ["vip"] }]],
		[
			"events",
			crisp,
			["set", "session:event", [[["a", { n: 1 }, "red"], ["b"]]]],
			["track", "a", { n: 1 }, { color: "red" }],
			["track", "b", {}],
		],
		["an event as [[name, data]]", crisp, ["set", "session:event", [["a", { n: 1 }]]], ["track", "a", { n: 1 }]],
		[
			"an event as [name, data, color]",
			crisp,
			["set", "session:event", ["a", { n: 1 }, "red"]],
			["track", "a", { n: 1 }, { color: "red" }],
		],
		["an event as [name]", crisp, ["set", "session:event", ["a"]], ["track", "a", {}]],
		["an event as [[name, text]]", crisp, ["set", "session:event", [["a", "b"]]], ["track", "a", {}]],
		["an event as text", crisp, ["set", "session:event", "a"], ["track", "a", {}]],
		["a reset", crisp, ["do", "session:reset"], ["reset"]],
		["a reset with a reload", crisp, ["do", "session:reset", [false]], ["reset"]],
		...["on", "off", "config", "is", "set"].map(
			(verb): Row => [`a reset that is not made, by ${verb}`, crisp, [verb, "session:reset", () => {}]],
		),
		...["user:email", "user:nickname", "session:data", "session:segments", "session:event"].flatMap((name): Row[] => [
			[`${name} without a value`, crisp, ["set", name]],
			[`${name} with an empty list`, crisp, ["set", name, [[]]]],
		]),
		["calls about the chat", crisp, ["do", "chat:open"]],
		[
			"events, one of which is none",
			crisp,
			["set", "session:event", [[["a"], null, ["b"]]]],
			["track", "a", {}],
			// Refused by the tracker.
			["track", null, {}],
			["track", "b", {}],
		],
		["an event with a list for data", crisp, ["set", "session:event", [[["a", ["b"]]]]], ["track", "a", {}]],
		["a setting", crisp, ["config", "hide:on:away", [true]]],
		["a message", crisp, ["set", "message:text", ["hello"]]],
	],
	helpcrunch: [
		[
			"an old init",
			helpcrunch,
			[
				"init",
				"shop",
				{ applicationId: 1, user: { user_id: "7", email, name: "Ada", custom_data: { plan: "pro" }, signature: "s" } },
			],
			["login", { email, userId: "7", attributes: { name: "Ada", plan: "pro" } }],
		],
		[
			"a new init",
			helpcrunch,
			["init", { organization: "shop", user: { email, security_hash: "s" } }],
			["login", { email, attributes: {} }],
		],
		["an init without a user", helpcrunch, ["init", "shop", { applicationId: 1 }]],
		["updateUser", helpcrunch, ["updateUser", { user_id: 7, email }], ["login", { email, userId: 7, attributes: {} }]],
		["userAuth", helpcrunch, ["userAuth", { user_id: "7" }], ["login", { userId: "7", attributes: {} }]],
		["updateUserData", helpcrunch, ["updateUserData", { roles: "admin" }], ["update", { roles: "admin" }]],
		["trackEvent", helpcrunch, ["trackEvent", "Signed up", { plan: "pro" }], ["track", "Signed up", { plan: "pro" }]],
		["logOut", helpcrunch, ["logOut"], ["reset"]],
		...[[], [{}], [{ custom_data: {} }]].map(
			(args): Row => [`updateUser without data, ${args.length}`, helpcrunch, ["updateUser", ...args]],
		),
		...["text", ["7"], 7].flatMap((user): Row[] => [
			[`a user that is ${JSON.stringify(user)}`, helpcrunch, ["updateUser", user], refused("helpcrunch")],
			[`settings with such a user`, helpcrunch, ["init", { user }], refused("helpcrunch")],
		]),
		[
			"attributes that are text",
			helpcrunch,
			["updateUser", { email, custom_data: "pro" }],
			["login", { email, attributes: {} }],
		],
		["calls about the chat", helpcrunch, ["openChat"]],
	],
	vibetrace: [
		["a standard event", vibetrace, { viewitem: { itemId: "sku-1" } }, ["track", "viewitem", { itemId: "sku-1" }]],
		[
			"a purchase",
			vibetrace,
			{ confirmation: { orderId: "A-1", total: "9.00", items: [{ id: 1, quantity: "2" }] } },
			["confirmation", { orderId: "A-1", total: 9, items: [{ id: 1, quantity: 2 }] }],
		],
		[
			"a purchase of an older version",
			vibetrace,
			{ orderconfirmation: { generic: { orderId: 5, total: 9 } } },
			["confirmation", { orderId: 5, total: 9 }],
		],
		[
			"a generic event",
			vibetrace,
			{ generic: { generic: { event_name: "my_event", n: 1 } } },
			["track", "my_event", { n: 1 }],
		],
		[
			"a generic event, nested once",
			vibetrace,
			{ generic: { event_name: "my_event", n: 1 } },
			["track", "my_event", { n: 1 }],
		],
		["an event by its name", vibetrace, { event: { event_name: "emailstop" } }, ["track", "emailstop", {}]],
		[
			"a login",
			vibetrace,
			{ login: { email, firstname: "Ada" } },
			["login", { email, attributes: { firstname: "Ada" } }],
		],
		["an update", vibetrace, { update: { firstname: "Ada" } }, ["update", { firstname: "Ada" }]],
		["an empty update", vibetrace, { update: {} }],
		["an empty login", vibetrace, { login: {} }],
		...["sku-1", ["sku-1"], null].flatMap((payload): Row[] => [
			[`an event with ${JSON.stringify(payload)}`, vibetrace, { viewitem: payload }, refused("vibetrace")],
			[`an update with ${JSON.stringify(payload)}`, vibetrace, { update: payload }, refused("vibetrace")],
		]),
		["an event of the site's own", vibetrace, { wishlist: { itemId: 1 } }, ["track", "wishlist", { itemId: 1 }]],
	],
	ga4: [
		[
			"a purchase in the data layer",
			ga4,
			{ event: "purchase", ecommerce: { transaction_id: "A-1", value: "9.00", currency: "EUR", items } },
			["confirmation", { orderId: "A-1", total: 9, currency: "EUR", items: bought }],
		],
		[
			"a purchase by gtag()",
			gtag,
			["event", "purchase", { transaction_id: "A-1", value: 9, items, send_to: "G-1" }],
			["confirmation", { orderId: "A-1", total: 9, items: bought, send_to: "G-1" }],
		],
		[
			"an item that is looked at",
			ga4,
			{ event: "view_item", ecommerce: { items } },
			["track", "viewitem", { itemId: "sku-1", items: bought }],
		],
		[
			"a basket by gtag()",
			gtag,
			["event", "add_to_cart", { value: "4.50", items }],
			["track", "addtocart", { itemId: "sku-1", value: "4.50", items: bought }],
		],
		[
			"a purchase whose value is null",
			ga4,
			{
				event: "purchase",
				ecommerce: { transaction_id: "A-1", value: null, revenue: 9, items: null, products: items },
			},
			["confirmation", { orderId: "A-1", total: 9, items: bought }],
		],
		["nothing set", gtag, ["set"]],
		["an empty set", gtag, ["set", {}]],
		["an event of the site's own", ga4, { event: "sign_up", method: "mail" }, ["track", "sign_up", { method: "mail" }]],
		["an event without data by gtag()", gtag, ["event", "sign_up"], ["track", "sign_up", {}]],
		["a page view", gtag, ["event", "page_view", { page_title: "Shop" }], ["page"]],
		["a config with a userId", gtag, ["config", "G-1", { user_id: "7" }], ["login", { userId: "7" }]],
		["an e-mail", gtag, ["set", "user_data", { email, phone_number: "+44" }], ["login", { email }]],
		["a userId by its name", gtag, ["set", "user_id", "7"], ["login", { userId: "7" }]],
		["a userId in settings", gtag, ["set", { user_id: "7", currency: "EUR" }], ["login", { userId: "7" }]],
		["names in the data layer", ga4, { user_id: "7", user_data: { email } }, ["login", { email, userId: "7" }]],
		["names with an event", ga4, { event: "login", user_id: "7" }, ["login", { userId: "7" }], ["track", "login", {}]],
		["a hashed e-mail", gtag, ["set", "user_data", { sha256_email_address: hash, email: hash }]],
		["a config", gtag, ["config", "G-1"]],
		["the start", gtag, ["js", new Date(0)]],
		["a consent", gtag, ["consent", "default", { ad_storage: "denied" }]],
		["Tag Manager's own events", ga4, { event: "gtm.js", "gtm.start": 1 }],
		["an event with a length", ga4, { event: "video", length: 90 }, ["track", "video", { length: 90 }]],
		["an event with a map", ga4, { event: "open", map: "city" }, ["track", "open", { map: "city" }]],
		["an event whose items are no list", ga4, { event: "view_item", items: {} }, ["track", "viewitem", {}]],
		["an emptied object", ga4, { ecommerce: null }],
		["a function", ga4, () => {}],
	],
	segment: ["analytics", "rudderanalytics"].flatMap((name): Row[] => {
		const vendor = methodsOf(name);
		const row = (what: string, given: unknown[], ...expected: unknown[][]): Row => [
			`${what} by ${name}`,
			vendor,
			given,
			...expected,
		];
		return [
			row(
				"a user",
				["identify", "7", { email, plan: "pro" }],
				["login", { email, userId: "7", attributes: { plan: "pro" } }],
			),
			row("a user without traits", ["identify", "7"], ["login", { userId: "7", attributes: {} }]),
			row(
				"a user whose id is an e-mail",
				["identify", email, { plan: "pro" }],
				["login", { email, attributes: { plan: "pro" } }],
			),
			row(
				"a user by traits alone",
				["identify", { email, plan: "pro" }],
				["login", { email, attributes: { plan: "pro" } }],
			),
			...[[], [{}], [null], ["", {}]].map((args) => row(`nothing, ${JSON.stringify(args)},`, ["identify", ...args])),
			row("traits of a nobody", ["identify", { plan: "pro" }], ["update", { plan: "pro" }]),
			row("traits after null", ["identify", null, { plan: "pro" }], ["update", { plan: "pro" }]),
			row("a user whose traits are text", ["identify", "7", "pro"], ["login", { userId: "7", attributes: {} }]),
			row(
				"a user whose traits are a function",
				["identify", "7", () => {}],
				["login", { userId: "7", attributes: {} }],
			),
			row(
				"a user whose id is an e-mail, with an empty one",
				["identify", email, { email: null }],
				["login", { email, attributes: {} }],
			),
			row("an event", ["track", "Signed up", { plan: "pro" }], ["track", "Signed up", { plan: "pro" }]),
			row("an event without data", ["track", "Signed up"], ["track", "Signed up", {}]),
			row(
				"a purchase",
				[
					"track",
					"Order Completed",
					{ order_id: "A-1", revenue: "9", products: [{ product_id: "sku-1", name: "Tea", price: 4.5, quantity: 2 }] },
				],
				["confirmation", { orderId: "A-1", total: 9, items: bought }],
			),
			row(
				"a product",
				["track", "Product Viewed", { product_id: "sku-1" }],
				["track", "viewitem", { itemId: "sku-1", product_id: "sku-1" }],
			),
			row("a page view", ["page", "Home"], ["page"]),
			row(
				"the description of the page by the stub",
				["track", "Signed up", { __t: "bpc", u: "https://shop.example/?secret" }],
				["track", "Signed up", {}],
			),
			row("a reset", ["reset"], ["reset"]),
			row("an alias", ["alias", "7"]),
			row("a group", ["group", "7", { email }]),
		];
	}),
};

describe.each(Object.keys(rows) as Adopted[])("%s", (name) => {
	describe.each(rows[name].map(([what, vendor, given, ...expected]) => ({ what, vendor, given, expected })))(
		"$what",
		({ vendor, given, expected }) => {
			const check = () => {
				expect(said).toEqual(expected);
				expect(saw).toHaveLength(1);
			};

			test("queued before", () => {
				vendor.stub();
				vendor.call(given);
				start(name);
				vendor.script();
				check();
			});

			test("queued after", () => {
				vendor.stub();
				start(name);
				vendor.call(given);
				vendor.script();
				check();
			});

			test("queued by a snippet that comes later", () => {
				start(name);
				vendor.stub();
				vendor.call(given);
				vendor.script();
				check();
			});

			test("after the vendor's script has replaced its global", () => {
				vendor.stub();
				start(name);
				vendor.script();
				vendor.call(given);
				check();
			});

			test("with a vendor's script that was there before", () => {
				vendor.stub();
				vendor.script();
				start(name);
				vendor.call(given);
				check();
			});
		},
	);
});

const track = (name: string) => ["set", "session:event", [[[name]]]];
const names = () => said.map(([method, name]) => (method === "track" ? name : method));

describe("each call is said once", () => {
	test("in the order of the queue, and then in that of the calls", () => {
		crisp.stub();
		page.$crisp.push(track("a"), track("b"));
		start("crisp");
		page.$crisp.push(track("c"));
		crisp.script();
		page.$crisp.push(track("d"));
		expect(names()).toEqual(["a", "b", "c", "d"]);
	});

	test.each([
		["$crisp", "crisp", crisp, track("a")],
		["_vteq", "vibetrace", vibetrace, { wishlist: { itemId: 1 } }],
	] as const)("if the script of %s empties its queue through its new global", (name, vendor, { stub }, item) => {
		stub();
		page[name].push(item);
		start(vendor);
		const queue = page[name].splice(0);
		page[name] = { push: (each: unknown) => saw.push(each) };
		for (const each of queue) page[name].push(each);
		expect([said.length, saw]).toEqual([1, [item]]);
	});

	test("if HelpCrunch's script makes the queued calls again", () => {
		helpcrunch.stub();
		start("helpcrunch");
		page.HelpCrunch("trackEvent", "a");
		page.HelpCrunch("trackEvent", "b", { n: 1 });
		const { q } = page.HelpCrunch;
		helpcrunch.script();
		for (const args of q) page.HelpCrunch(...args);
		expect(names()).toEqual(["a", "b"]);
	});

	test("if a page makes the same call again later", async () => {
		helpcrunch.stub();
		start("helpcrunch");
		page.HelpCrunch("trackEvent", "a");
		helpcrunch.script();
		await new Promise((resolve) => setTimeout(resolve));
		page.HelpCrunch("trackEvent", "a");
		page.HelpCrunch("trackEvent", "a");
		expect(names()).toEqual(["a", "a", "a"]);
	});

	test("if Tag Manager's tags push others meanwhile", () => {
		ga4.stub();
		start("ga4");
		const { push } = page.dataLayer;
		page.dataLayer.push = (item: { event: string }) => {
			if (item.event === "a") page.dataLayer.push({ event: "b" });
			return push.call(page.dataLayer, item);
		};
		page.dataLayer.push({ event: "a" });
		expect(names()).toEqual(["a", "b"]);
		expect(page.dataLayer.map(({ event }: Page) => event)).toEqual(["b", "a"]);
	});

	test("if Vibetrace's vt.event() fills the queue", () => {
		vibetrace.stub();
		start("vibetrace");
		page.vt = { event: (type: string, payload: unknown) => page._vteq.push({ [type]: payload }) };
		expect(page.vt.event("viewitem", { itemId: 1 })).toBe(1);
		expect(said).toEqual([["track", "viewitem", { itemId: 1 }]]);
	});

	test("if the old stub of Segment calls the new global", () => {
		const { stub, script } = methodsOf("analytics");
		stub();
		start("segment");
		const old = page.analytics;
		script();
		old.track = (...args: unknown[]) => page.analytics.track(...args);
		old.track("a");
		expect(names()).toEqual(["a"]);
	});
});

describe("Segment's own library", () => {
	/** Calls its methods for what is pushed, as https://github.com/segmentio/analytics-next does. */
	class Analytics {
		track(...args: unknown[]) {
			saw.push(["track", ...args]);
		}
		push(args: [string, ...unknown[]]) {
			const method = args.shift() as "track";
			this[method]?.(...args);
		}
	}

	test("is heard by its methods and by its push, once each", () => {
		const { stub } = methodsOf("analytics");
		stub();
		start("segment");
		page.analytics = new Analytics();
		page.analytics.track("a");
		page.analytics.push(["track", "b", { n: 1 }]);
		expect(names()).toEqual(["a", "b"]);
		expect(saw).toEqual([
			["track", "a"],
			["track", "b", { n: 1 }],
		]);
	});

	test("makes the queued calls again without the description of the page", () => {
		const { stub } = methodsOf("analytics");
		stub();
		start("segment");
		page.analytics.track("a", { __t: "bpc" });
		page.analytics = new Analytics();
		page.analytics.track("a");
		expect(names()).toEqual(["a"]);
	});
});

describe("the page and the vendors", () => {
	test("get what they gave: values, this, errors and properties", () => {
		const seen: unknown[] = [];
		page.$crisp = {
			push(this: unknown, ...items: unknown[]) {
				seen.push(this, ...items);
				return 7;
			},
		};
		helpcrunch.stub();
		page.analytics = {
			track() {
				throw new Error("no network");
			},
			identify: undefined,
			user: () => 1,
		};
		start("crisp", "helpcrunch", "segment");
		const item = track("a");
		expect(page.$crisp.push(item)).toBe(7);
		expect(seen[0]).toBe(page.$crisp);
		expect(seen[1]).toBe(item);
		expect(page.HelpCrunch.q).toEqual([]);
		page.HelpCrunch.version = 2;
		expect(page.HelpCrunch.version).toBe(2);
		expect(() => page.analytics.track("b")).toThrow("no network");
		expect(names()).toEqual(["a", "b"]);
		expect(page.analytics.user()).toBe(1);
		expect(page.analytics.identify).toBeUndefined();
	});

	test("keep the list of Google's tags, and its length", () => {
		ga4.stub();
		start("ga4");
		const list = page.dataLayer;
		expect(Array.isArray(list)).toBe(true);
		expect(list.push({ event: "a" }, { event: "b" })).toBe(2);
		page.dataLayer = page.dataLayer || [];
		expect(page.dataLayer).toBe(list);
		expect(Object.keys(list)).toEqual(["0", "1"]);
		expect(names()).toEqual(["a", "b"]);
	});

	test("are observed where the script replaces push itself, and where it deletes its global", () => {
		vibetrace.stub();
		start("vibetrace");
		page._vteq.push = (item: unknown) => saw.push(item);
		page._vteq.push({ search: { query: "tea" } });
		vi.useFakeTimers();
		delete page._vteq;
		vibetrace.stub();
		document.head.append(document.createElement("script"));
		document.head.lastChild?.dispatchEvent(new Event("load"));
		page._vteq.push({ search: { query: "coffee" } });
		expect(said).toEqual([
			["track", "search", { query: "tea" }],
			["track", "search", { query: "coffee" }],
		]);
		expect(saw).toHaveLength(1);
	});

	test("are left alone where their globals cannot be replaced", () => {
		vi.useFakeTimers();
		const plain = Object.freeze({ track: () => 1 });
		Object.defineProperty(page, "analytics", { value: plain, configurable: true, writable: false });
		let stored: unknown = [];
		Object.defineProperty(page, "$crisp", {
			get: () => stored,
			set: (value) => {
				stored = value;
			},
			configurable: true,
		});
		Object.defineProperty(page, "_vteq", {
			get() {
				throw new Error("hostile");
			},
			configurable: true,
		});
		start("segment", "crisp", "vibetrace");
		expect(page.analytics.track("a")).toBe(1);
		page.$crisp.push(track("b"));
		page.$crisp = { push: (item: unknown) => saw.push(item) };
		vi.advanceTimersByTime(1_000);
		page.$crisp.push(track("c"));
		expect(names()).toEqual(["b", "c"]);
		expect(stored).toHaveProperty("push");
		expect(() => page._vteq).toThrow("hostile");
	});

	test("are observed where a var cannot become an accessor", () => {
		vi.useFakeTimers();
		// A global that is declared by `var` or `function` is not configurable. happy-dom has none.
		const define = Reflect.defineProperty;
		vi.spyOn(Reflect, "defineProperty").mockImplementation((owner, name, property) =>
			owner === window && name === "HelpCrunch" ? false : define(owner, name, property),
		);
		helpcrunch.stub();
		start("helpcrunch");
		page.HelpCrunch("trackEvent", "a");
		helpcrunch.script();
		vi.advanceTimersByTime(1_000);
		page.HelpCrunch("trackEvent", "b");
		expect(names()).toEqual(["a", "b"]);
	});

	test("are not mistaken for an element with their name as its id", () => {
		const element = document.createElement("div");
		page.dataLayer = element;
		page.analytics = element;
		start("ga4", "segment");
		expect(page.dataLayer).toBe(element);
		expect(said).toEqual([]);
	});

	test("are not observed any more after the end", () => {
		crisp.stub();
		const stop = start("crisp");
		stop();
		page.$crisp.push(track("a"));
		crisp.script();
		page.$crisp.push(track("b"));
		expect(said).toEqual([]);
		expect(saw).toHaveLength(2);
	});

	test("are observed anew after the end", () => {
		crisp.stub();
		helpcrunch.stub();
		start("crisp", "helpcrunch")();
		start("crisp", "helpcrunch");
		page.$crisp.push(track("a"));
		page.HelpCrunch("trackEvent", "b");
		expect(names()).toEqual(["a", "b"]);
	});
});

describe("settings of HelpCrunch", () => {
	const user = { user_id: "7", email };
	const expected = ["login", { email, userId: "7", attributes: {} }];

	test("are read if they are there, and if they come later", () => {
		page.helpcrunchSettings = { organization: "shop", user };
		start("helpcrunch");
		expect(said).toEqual([expected]);
		page.helpcrunchSettings = { organization: "shop", user: { user_id: "8" } };
		expect(said[1]).toEqual(["login", { userId: "8", attributes: {} }]);
		expect(page.helpcrunchSettings.organization).toBe("shop");
	});

	test("are read once a page assigns the user, which it reads back", () => {
		const settings: Page = { organization: "shop" };
		page.helpcrunchSettings = settings;
		const stop = start("helpcrunch");
		page.helpcrunchSettings.user = user;
		expect(said).toEqual([expected]);
		expect(settings.user).toBe(user);
		stop();
		expect(Object.entries(settings)).toEqual([
			["organization", "shop"],
			["user", user],
		]);
	});

	test("without a user say nothing", () => {
		page.helpcrunchSettings = { organization: "shop" };
		start("helpcrunch");
		expect(said).toEqual([]);
	});
});

describe("a visitor's names", () => {
	test("from two calls are one person's", () => {
		ga4.stub();
		start("ga4");
		page.gtag("config", "G-1", { user_id: "7" });
		page.gtag("set", "user_data", { email });
		page.gtag("event", "sign_up", { user_id: "7" });
		expect(said).toEqual([
			["login", { userId: "7" }],
			["login", { userId: "7", email }],
			["login", { userId: "7", email }],
			["track", "sign_up", {}],
		]);
	});

	test("do not pass to another person", () => {
		const { stub, call } = methodsOf("analytics");
		stub();
		start("segment");
		call(["identify", "7", { email }]);
		call(["identify", { plan: "pro" }]);
		call(["identify", "8"]);
		expect(said.slice(1)).toEqual([
			["update", { plan: "pro" }],
			["login", { userId: "8", attributes: {} }],
		]);
	});

	test("end with a reset", () => {
		const { stub, call } = methodsOf("analytics");
		stub();
		start("segment");
		call(["identify", "7"]);
		call(["reset"]);
		call(["identify", { email }]);
		call(["reset"]);
		call(["identify", { email }]);
		expect(said.filter(([method]) => method === "login")).toEqual([
			["login", { userId: "7", attributes: {} }],
			["login", { email, attributes: {} }],
			["login", { email, attributes: {} }],
		]);
	});

	test.each(["undefined", "null", "", " ", null, undefined, {}, []])("are not read from %j", (given) => {
		const { stub, call } = methodsOf("analytics");
		stub();
		start("segment");
		call(["identify", given, { plan: "pro" }]);
		expect(said.map(([method]) => method)).not.toContain("login");
	});
});

describe("a malformed call", () => {
	const evil = {
		get email() {
			throw new Error("evil");
		},
		get event() {
			throw new Error("evil");
		},
		toString() {
			throw new Error("evil");
		},
	};
	const anything = [
		undefined,
		null,
		7,
		"text",
		[],
		{},
		[null],
		[[null]],
		[[[null]]],
		evil,
		[evil],
		() => {},
		Symbol("s"),
		1n,
	];

	test.each([
		[
			"crisp",
			() =>
				anything.flatMap((each) => [
					each,
					[each],
					["set", each],
					...["user:email", "user:phone", "session:data", "session:segments", "session:event"].map((name) => [
						"set",
						name,
						each,
					]),
				]),
		],
		[
			"helpcrunch",
			() =>
				anything.flatMap((each) => [
					[each],
					...["init", "updateUser", "userAuth", "updateUserData", "trackEvent"].map((name) => [name, each]),
				]),
		],
		[
			"vibetrace",
			() =>
				anything.flatMap((each) => [
					each,
					...["viewitem", "confirmation", "generic", "event", "login", "update"].map((name) => ({ [name]: each })),
				]),
		],
		[
			"ga4",
			() =>
				anything.flatMap((each) => [
					each,
					{ event: each },
					{ event: "purchase", ecommerce: each },
					{ event: "purchase", ecommerce: { items: each } },
					{ user_data: each },
					["event", each],
					["event", "purchase", each],
					["set", each],
					["set", "user_data", each],
					["config", each, each],
				]),
		],
		[
			"segment",
			() =>
				anything.flatMap((each) => [
					[each],
					...["identify", "track", "page"].map((name) => [name, each, each]),
					["track", "Order Completed", each],
				]),
		],
	] as const)("of %s throws nothing, reaches the vendor, and costs no other", (name, calls) => {
		const vendor = { crisp, helpcrunch, vibetrace, ga4, segment: methodsOf("analytics") }[name];
		vendor.stub();
		start(name);
		let made = 0;
		for (const given of calls()) {
			const [method] = name === "segment" ? (given as unknown[]) : ["track"];
			if (name === "segment" && (typeof method !== "string" || !page.analytics[method])) continue;
			vendor.call(given);
			made += 1;
		}
		said = [];
		vendor.call(
			{
				crisp: track("a"),
				helpcrunch: ["trackEvent", "a"],
				vibetrace: { a: {} },
				ga4: { event: "a" },
				segment: ["track", "a"],
			}[name],
		);
		expect(names()).toEqual(["a"]);
		vendor.script();
		expect(saw).toHaveLength(made + 1);
	});

	test.each([null, 7, ["set", "user:email", ["ada"]], ["set", "session:event", [[[7]]]]])(
		"%j in the queue is refused by the tracker, and costs no other",
		(item) => {
			const lines = vi.spyOn(console, "warn").mockImplementation(() => {});
			page.$crisp = [item, track("a")];
			start("crisp");
			page.$crisp.push(item, track("b"));
			expect(names().filter((name) => name === "a" || name === "b")).toEqual(["a", "b"]);
			expect(lines).not.toHaveBeenCalled();
		},
	);

	test.each(["ga3", "constructor", "toString", "__proto__", "hasOwnProperty"])(
		"with %s for the name of a vendor costs no other",
		(name) => {
			crisp.stub();
			start(name as Adopted, "crisp");
			page.$crisp.push(track("a"));
			expect(names()).toEqual(["a"]);
		},
	);

	const refuse = () => {
		throw new Error("hostile");
	};
	const hostile = {
		"a getter that throws": Object.defineProperty({}, 0, { get: refuse }),
		"a list with a getter that throws": Object.defineProperty([1], 0, { get: refuse }),
		"a proxy that throws": new Proxy({}, { get: refuse, ownKeys: refuse, has: refuse }),
		"a revoked proxy": (() => {
			const { proxy, revoke } = Proxy.revocable([], {});
			revoke();
			return proxy;
		})(),
	};
	test.each(Object.entries(hostile))("that is %s costs no other of its queue, and ends nothing", (_, item) => {
		page.$crisp = [item, track("a"), [item]];
		page._vteq = [item, { b: {} }, { x: item }];
		page.dataLayer = [item, { event: "c" }, [item]];
		page.HelpCrunch = Object.assign(() => {}, { q: [item, ["trackEvent", "d"], [item]] });
		page.analytics = [item, ["track", "e"], [item]];
		start("crisp", "helpcrunch", "vibetrace", "ga4", "segment");
		page.$crisp.push(item, track("f"));
		page._vteq.push(item, { g: {} });
		page.dataLayer.push(item, { event: "h" });
		page.HelpCrunch("trackEvent", "i");
		page.analytics.push(item, ["track", "j"]);
		expect(names().filter((name) => /^[a-j]$/.test(name as string))).toEqual([..."adbcefghij"]);
	});
});

describe("context.via", () => {
	const seen = (vendor: Adopted, prepare: () => void) => {
		crisp.stub();
		vibetrace.stub();
		helpcrunch.stub();
		ga4.stub();
		prepare();
		start(vendor);
		if (vendor === "crisp") page.$crisp.push(track("a"), ["set", "user:email", [email]]);
		if (vendor === "vibetrace") page._vteq.push({ viewitem: {} });
		if (vendor === "helpcrunch") page.HelpCrunch("trackEvent", "a");
		if (vendor === "ga4") page.dataLayer.push({ event: "a" });
		return [...new Set(vias)];
	};
	const load = (src: string) =>
		document.head.append(Object.assign(document.createElement("script"), { src, type: "text/plain" }));

	test.each([
		["crisp", "the script", () => load("https://client.crisp.chat/l.js"), "crisp"],
		["crisp", "no script", () => load("https://shop.example/crispy.js"), undefined],
		["crisp", "a script that has run", () => crisp.script(), "crisp"],
		["helpcrunch", "the script", () => load("https://embed.helpcrunch.com/sdk.js"), "helpcrunch"],
		["helpcrunch", "no script", () => {}, undefined],
		["helpcrunch", "a script that has run", () => helpcrunch.script(), "helpcrunch"],
		["vibetrace", "no script", () => {}, undefined],
		[
			"vibetrace",
			"a script that has replaced push",
			() => {
				page._vteq.push = () => 1;
			},
			"vibetrace",
		],
		[
			"vibetrace",
			"a script that has made vt",
			() => {
				page.vt = { event() {} };
			},
			"vibetrace",
		],
		["ga4", "no script", () => {}, "ga4"],
	] as const)("of %s with %s", (vendor, _what, prepare, expected) => expect(seen(vendor, prepare)).toEqual([expected]));

	test("is there as soon as the script is", () => {
		crisp.stub();
		start("crisp");
		page.$crisp.push(track("a"));
		load("https://client.crisp.chat/l.js");
		page.$crisp.push(track("b"));
		expect(vias).toEqual([undefined, "crisp"]);
	});
});
