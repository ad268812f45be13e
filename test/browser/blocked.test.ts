import { afterEach, beforeEach, expect, test } from "vitest";
import { temporaryFolder } from "../support/served.ts";
import { isLeftOut } from "./engine.ts";
import { useWorld, world } from "./page.ts";
import { scriptTag } from "./site.ts";

useWorld();

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
	folder = temporaryFolder();
});
afterEach(() => folder.remove());

const text = "x".repeat(1_200);
/** A page that asks for each storage, records 101 events of 1.2 KB while it is shown and 30 more as it goes. */
const visit = `${scriptTag()}<script>
	const asked = async (ask) => {
		try {
			return (await ask()) ? "granted" : "none";
		} catch {
			return "denied";
		}
	};
	const opened = () => new Promise((resolve, reject) => {
		const opening = indexedDB.open("asked");
		opening.onsuccess = resolve;
		opening.onerror = reject;
	});
	const record = (count, name) => {
		for (let n = 0; n < count; n++) eventferry.track(name + n, { text: "${text}" });
	};
	(async () => {
		eventferry.login({ email: "ada@example.com" });
		eventferry.track("asked", {
			localStorage: await asked(() => localStorage),
			indexedDB: await asked(opened),
			locks: await asked(() => navigator.locks.request("asked", () => true)),
		});
		record(101, "shown ");
		await eventferry.flush();
		await fetch("/shown");
		record(30, "leaving ");
		eventferry.confirmation({ orderId: "A-1" });
		location.href = "/next";
	})();
</script>`;

/** Runs a browser until all events have been received. Resolves to the answers of the storages. */
async function receiveAll(url: string, isBlocked: boolean) {
	world.site.pages.set("/next", "Next");
	world.site.pages.set("/visit", visit);
	const browser = await world.engine.run(url, folder.path, isBlocked);
	await world.site.until(() => world.site.paths.includes("/shown"));
	// The login, the answers, and what was recorded before the page was left.
	expect(world.site.counts().size).toBe(103);
	expect(world.site.events()).toHaveLength(103);
	await world.site.until(() => world.site.counts().size === 134);
	await browser.kill();
	for (const { person } of world.site.events()) expect(person.email).toBe("ada@example.com");
	expect(world.site.preflights()).toBe(0);
	return world.site.events().find((event) => "name" in event && event.name === "asked")?.data;
}

const hasNoSettings = isLeftOut(["shell"], "a headless shell has no setting that blocks cookies");

test.skipIf(hasNoSettings)(
	"cookies blocked by the visitor's setting: events are sent while the page is shown, and the rest as it goes",
	async () => {
		const answers = await receiveAll(`${world.site.origin}/visit`, true);
		const { locks, ...stores } = answers as Record<string, unknown>;
		// WebKit's settings take the stores away and leave Web Locks. Elsewhere all three refuse.
		if (locks === "granted") expect(stores).toEqual({ localStorage: "none", indexedDB: "denied" });
		else expect(answers).toEqual({ localStorage: "denied", indexedDB: "denied", locks: "denied" });
	},
);

test("a sandboxed frame: events are sent while the page is shown, and the rest as it goes", async () => {
	const { origin } = world.site;
	world.site.policy(
		`default-src 'none'; script-src ${origin} 'unsafe-inline'; connect-src ${origin}; frame-src ${origin}`,
	);
	world.site.pages.set("/", '<iframe sandbox="allow-scripts" src="/visit"></iframe>');
	expect(await receiveAll(`${origin}/`, false)).toEqual({
		localStorage: "denied",
		indexedDB: "denied",
		locks: "denied",
	});
	for (const { origin } of world.site.headers) expect(origin).toBe("null");
});
