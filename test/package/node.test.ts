import { execFile } from "node:child_process";
import process from "node:process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);

test("importing the client in Node touches no browser global", async () => {
	const script = `
		const touched = [];
		for (const name of ["window", "document", "navigator", "location", "localStorage", "indexedDB", "history", "fetch", "crypto", "addEventListener"]) {
			Object.defineProperty(globalThis, name, { configurable: true, get: () => void touched.push(name) });
		}
		await import("eventferry");
		console.log(JSON.stringify(touched));
	`;
	const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script]);
	expect(JSON.parse(stdout)).toEqual([]);
});

test("eventferry/react can be imported in Node", async () => {
	const script = 'import("eventferry/react").then((all) => console.log(Object.keys(all)))';
	const { stdout } = await run(process.execPath, ["-e", script]);
	expect(stdout).toBe("[ 'TrackerProvider', 'useTracker' ]\n");
});
