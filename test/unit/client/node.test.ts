import { execFile } from "node:child_process";
import process from "node:process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { createTracker } from "../../../client/index.ts";

test("importing the client in Node touches no browser global", async () => {
	const script = `
		const touched = [];
		for (const name of ["window", "document", "navigator", "location", "localStorage", "indexedDB", "history", "fetch", "crypto", "addEventListener"]) {
			Object.defineProperty(globalThis, name, { configurable: true, get: () => void touched.push(name) });
		}
		await import(${JSON.stringify(new URL("../../../dist/client/index.js", import.meta.url).href)});
		console.log(JSON.stringify(touched));
	`;
	const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
	expect(JSON.parse(stdout)).toEqual([]);
});

test("where there is no page a tracker records nothing and throws nothing", async () => {
	const tracker = createTracker({ proxy: "/ferry", writeKey: "site_test" });
	tracker.login({ email: "ada@example.com" });
	tracker.track("rendered");
	tracker.page();
	tracker.reset();
	tracker.optOut();
	tracker.optIn();
	await tracker.flush();
	expect(tracker.state()).toMatchObject({ waiting: 0, held: 0 });
});
