import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import { createProxy } from "../../server/index.ts";
import { cli } from "../support/command.ts";

const { versions } = process;
const pretend = (node: string) => Object.defineProperty(process, "versions", { value: { ...versions, node } });
afterEach(() => void Object.defineProperty(process, "versions", { value: versions }));

test.each(["22.19.0", "23.11.1", "24.6.0"])("createProxy throws at once on Node %s", (version) => {
	pretend(version);
	// The version is checked first: this configuration has no sites.
	expect(() => createProxy({ sites: [] })).toThrow(
		expect.objectContaining({
			name: "UnsupportedNodeError",
			code: "unsupported_node",
			message: `eventferry needs Node 22.20 or a later 22, or Node 24.7 or newer: this is ${version}`,
		}),
	);
});

test("the command ends with 2 and says which Node it needs", async () => {
	const hook = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "24.6.0" } });
		delete process.getBuiltinModule`;
	const args = ["--import", `data:text/javascript,${encodeURIComponent(hook)}`, cli, "--version"];
	await expect(promisify(execFile)(process.execPath, args)).rejects.toMatchObject({
		code: 2,
		stdout: "",
		stderr: "eventferry needs Node 22.20 or a later 22, or Node 24.7 or newer: this is 24.6.0\n",
	});
});
