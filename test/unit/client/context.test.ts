import { afterEach, expect, test, vi } from "vitest";
import { readContext, stripUrl } from "../../../client/context.ts";
import { limits } from "../../../shared/event.ts";

test.each([
	["https://shop.example/reset?token=secret", "https://shop.example/reset"],
	["https://shop.example/#access_token=secret", "https://shop.example/"],
	[
		"https://shop.example/?q=pen&utm_source=mail&utm_medium=a%20b",
		"https://shop.example/?utm_source=mail&utm_medium=a%20b",
	],
	["https://shop.example/?q=1&q=2", "https://shop.example/"],
	["https://ada:secret@shop.example/", "https://shop.example/"],
	["", undefined],
	["not an address", undefined],
])("%s is recorded as %s", (address, recorded) => {
	expect(stripUrl(() => address)).toBe(recorded);
});

test("a long URL is cut to the length that the proxy accepts", () => {
	expect(stripUrl(() => `https://shop.example/${"x".repeat(9_999)}`)).toHaveLength(limits.contextLength);
});

afterEach(() => vi.unstubAllGlobals());

test.each([
	// https://html.spec.whatwg.org/multipage/nav-history-apis.html#named-access-on-the-window-object
	["an HTML element with that id", {}],
	["a polyfill from before `now` was renamed to `Now`", { now: {} }],
	["a polyfill from before `timeZone` was renamed to `timeZoneId`", { Now: { timeZone: () => "UTC" } }],
])("the context is recorded even if window.Temporal is %s", (title, Temporal) => {
	vi.stubGlobal("window", { Temporal });
	// Another title, as the context is read anew only after a change.
	vi.stubGlobal("document", { title, referrer: "" });
	vi.stubGlobal("location", { href: "https://shop.example/" });
	expect(readContext()).toMatchObject({
		url: "https://shop.example/",
		title,
		timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
	});
});

/** Stubs a page of an address of its own, as the context is read anew only after a change. */
let pages = 0;
function stubPage(title: unknown, referrer: unknown = "https://search.example/?q=pen") {
	const page = { title, referrer };
	const place = { href: `https://shop.example/${++pages}` };
	vi.stubGlobal("window", globalThis);
	vi.stubGlobal("document", page);
	vi.stubGlobal("location", place);
	vi.stubGlobal("navigator", { language: "en-GB" });
	return { page, place };
}

test.each([
	["timezone", () => vi.stubGlobal("Intl", { DateTimeFormat: () => fail() })],
	["timezone", () => vi.stubGlobal("Intl", undefined)],
	["timezone", () => vi.stubGlobal("Intl", { DateTimeFormat: () => ({ resolvedOptions: () => ({ timeZone: 7 }) }) })],
	["locale", () => vi.stubGlobal("navigator", { language: 7 })],
	[
		"locale",
		() =>
			vi.stubGlobal("navigator", {
				get language() {
					return fail();
				},
			}),
	],
	["title", ({ page }: Stubbed) => Object.assign(page, { title: { nodeName: "IMG" } })],
	["title", ({ page }: Stubbed) => Object.defineProperty(page, "title", { get: fail })],
	["referrer", ({ page }: Stubbed) => Object.assign(page, { referrer: { nodeName: "IMG" } })],
	["url", () => vi.stubGlobal("URL", undefined)],
] as [keyof NonNullable<ReturnType<typeof readContext>>, (stubbed: Stubbed) => void][])(
	"a %s that cannot be read is absent, and the rest is there",
	(part, breakIt) => {
		const stubbed = stubPage("Shop");
		vi.stubGlobal("Temporal", undefined);
		breakIt(stubbed);
		const context = readContext();
		expect(context?.[part]).toBeUndefined();
		const readable = Object.values(context ?? {}).filter((value) => typeof value === "string");
		expect(readable).toHaveLength(part === "url" ? 3 : 4);
	},
);
type Stubbed = ReturnType<typeof stubPage>;
const fail = (): never => {
	throw new Error("denied");
};

test("a page view has the title that a single-page app sets after the address", () => {
	const { page, place } = stubPage("Before");
	const view = readContext(true);
	const other = readContext();
	page.title = "After";
	expect(JSON.parse(JSON.stringify(view))).toMatchObject({ title: "After" });
	expect(other).toMatchObject({ title: "Before" });
	place.href = "https://shop.example/next";
	page.title = "Next";
	expect(structuredClone(view)).toMatchObject({ title: "After" });
});

test("a page view has the latest title before the next address, though nothing has read it", () => {
	const { page, place } = stubPage("Before");
	const views = ["one", "two", "three", "no view"].map((name) => {
		place.href = `https://shop.example/${name}`;
		const view = readContext(name !== "no view");
		page.title = name;
		readContext();
		return view;
	});
	place.href = "https://shop.example/four";
	readContext(true);
	expect(views.map((view) => view?.title)).toEqual(["one", "two", "three", "three"]);
});
