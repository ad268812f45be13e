import { expect, test } from "vitest";
import { startSandbox } from "../../server/sandbox/index.ts";
import { environment, serve, temporaryFolder } from "../support/served.ts";

/** Code that prints, as the process is told to stop, which parts of Node it has loaded. */
const tell = 'process.on("SIGTERM", () => console.log("loaded", JSON.stringify(process.moduleLoadList)));';

test("a start loads neither Node's fetch, nor TLS, nor Web Crypto, which cost memory as long as nobody needs them", async () => {
	const sandbox = await startSandbox();
	const folder = temporaryFolder();
	const env = {
		...environment(sandbox),
		EVENTFERRY_STORE: `sqlite:${folder.path}/store.db`,
		NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(tell)}`,
	};
	const served = await serve(env, [], "dist/server/cli.js");
	expect(await served.stop()).toBe(0);
	const [, loaded = "[]"] = /^loaded (.*)$/m.exec(served.output()) ?? [];
	expect(JSON.parse(loaded)).toContain("NativeModule http");
	expect(JSON.parse(loaded).filter((name: string) => /undici|tls|webcrypto/.test(name))).toEqual([]);
	await sandbox.stop();
	folder.remove();
});
