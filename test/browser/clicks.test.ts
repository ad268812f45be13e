import { expect, test } from "vitest";
import { playwrightOf } from "./chromium.ts";
import { call, flush, login, open, useWorld, world } from "./page.ts";
import { scriptTag } from "./site.ts";

useWorld();

/** Opens a page with this markup. */
async function show(markup: string) {
	world.site.pages.set("/", `${markup}${scriptTag()}`);
	return playwrightOf(await open());
}
/** Logs in and sends. Resolves to the names of the events before the login. */
async function recorded(page: Awaited<ReturnType<typeof show>>) {
	await call(page, login);
	await flush(page);
	return world.site.names().slice(0, -1);
}

test.each([
	["around its control", '<label data-ferry-event="L"><b>x</b><input type="checkbox"></label>'],
	[
		"beside its control, in a marked element",
		'<p data-ferry-event="L"><label for="c"><b>x</b></label><input id="c" type="checkbox"></p>',
	],
	["of a marked control", '<label><b>x</b><input type="checkbox" data-ferry-event="L"></label>'],
	["of a radio button", '<label data-ferry-event="L"><input type="radio"><b>x</b></label>'],
	["of a text field", '<label data-ferry-event="L"><b>x</b><input></label>'],
	["without a control", '<label data-ferry-event="L"><b>x</b></label>'],
])("each click on a label %s counts once", async (_, markup) => {
	const page = await show(markup);
	await page.click("b");
	expect(await page.evaluate(() => document.querySelector<HTMLInputElement>("[type]")?.checked ?? true)).toBe(true);
	await page.click("b");
	if (await page.$("input")) await page.click("input");
	const clicks = (await page.$("input")) ? 3 : 2;
	expect(await recorded(page)).toEqual(Array(clicks).fill("L"));
});

test("two marked elements, one of them a label's control, count each", async () => {
	const page = await show('<label data-ferry-event="L"><b>x</b><input type="checkbox" data-ferry-event="C"></label>');
	await page.click("b");
	expect(await recorded(page)).toEqual(["L", "C"]);
});

test("a label and its control elsewhere, marked alike, count once for each click", async () => {
	const page = await show(
		'<label data-ferry-event="L" for="c"><b>x</b></label><input id="c" type="checkbox" data-ferry-event="L">',
	);
	await page.dblclick("b");
	await page.click("input");
	expect(await recorded(page)).toEqual(["L", "L", "L"]);
});

test("clicks that a script makes count each", async () => {
	const page = await show('<button data-ferry-event="B">x</button>');
	await page.evaluate(() => {
		const button = document.querySelector("button");
		button?.click();
		button?.click();
		button?.dispatchEvent(new Event("click", { bubbles: true }));
		for (const target of [document, window]) target.dispatchEvent(new Event("click"));
	});
	expect(await recorded(page)).toEqual(["B", "B", "B"]);
});

test("clicks in open shadow roots count, and in closed ones where the host is marked", async () => {
	const page = await show('<x-open></x-open><p data-ferry-event="host"><x-closed></x-closed></p>');
	await page.evaluate(() => {
		for (const mode of ["open", "closed"] as const) {
			const root = document.querySelector(`x-${mode}`)?.attachShadow({ mode });
			if (root) root.innerHTML = `<button data-ferry-event="${mode}" data-ferry-size="L"><b>${mode}</b></button>`;
		}
	});
	await page.getByText("open").click();
	const box = await page.locator("x-closed").boundingBox();
	await page.mouse.click((box?.x ?? 0) + 10, (box?.y ?? 0) + 10);
	expect(await recorded(page)).toEqual(["open", "host"]);
	expect(world.site.events()[0]?.data).toEqual({ size: "L" });
});

test("a middle click counts, a right click does not", async () => {
	const page = await show('<a href="#x" data-ferry-event="A">x</a>');
	await page.click("a", { button: "middle" });
	await page.click("a", { button: "right" });
	await page.click("a");
	expect(await recorded(page)).toEqual(["A", "A"]);
});

test("a page view of a single-page app has the title that is set after the address", async () => {
	world.site.pages.set("/", scriptTag("data-pages"));
	const page = await open();
	await page.evaluate(async () => {
		for (const name of ["one", "two"]) {
			history.pushState(null, "", `/${name}`);
			await new Promise((resolve) => setTimeout(resolve));
			document.title = name;
		}
	});
	await call(page, login);
	await flush(page);
	const views = world.site.events().filter(({ type }) => type === "page");
	expect(views.map(({ context }) => context?.title)).toEqual(["Shop", expect.anything(), "two"]);
});
