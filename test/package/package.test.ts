import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { build } from "esbuild";
import type { Plugin, RollupOptions } from "rollup";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launchChromium } from "../browser/chromium.ts";
import { answering } from "../support/answering.ts";
import { type Installed, installed } from "./installed.ts";

const run = promisify(execFile);

let own: Installed;
beforeAll(async () => {
	own = await installed();
});
afterAll(() => own.remove());
const folder = () => join(own.project, "node_modules/eventferry");

describe("the published package", () => {
	test("contains the build, its types, licences, documents and examples, and nothing else", () => {
		const files = readdirSync(folder(), { recursive: true, withFileTypes: true })
			.filter((entry) => entry.isFile())
			.map((entry) => join(entry.parentPath, entry.name).slice(folder().length + 1));
		expect(files.filter((file) => !/^(dist|docs|examples)\//.test(file)).toSorted()).toEqual([
			"CHANGELOG.md",
			"LICENSE",
			"README.md",
			"SECURITY.md",
			"package.json",
		]);
		const documents = files.filter((file) => file.startsWith("docs/"));
		expect(documents.toSorted()).toEqual(globSync("docs/*.{md,png,svg}").toSorted());
		expect(documents.length).toBeGreaterThan(25);
		const unexpected = files.filter(
			(file) => file.startsWith("dist/") && !/\.(js|js\.map|d\.ts|html|css|svg|txt)$/.test(file),
		);
		expect(unexpected).toEqual([]);
		expect(files.filter((file) => /\btest\b|node_modules/.test(file))).toEqual([]);
	});

	test("carries the licence of every package whose code is in its bundles", async () => {
		const { default: bundles }: { default: RollupOptions[] } = await import(resolve("rollup.config.mjs"));
		const names = ({ plugins }: RollupOptions) => (plugins as Plugin[]).map(({ name }) => name);
		const withPackages = bundles.filter((bundle) => names(bundle).includes("node-resolve"));
		expect(withPackages.length).toBeGreaterThan(1);
		for (const bundle of withPackages) expect(names(bundle)).toContain("licenses");
		const snippet = await readFile(join(folder(), "dist/client.js.LICENSES.txt"), "utf8");
		expect(snippet).toMatch(/^idb-keyval [\d.]+ \(Apache-2\.0\)\n\n.*Jake Archibald/);
		const page = await readFile(join(folder(), "dist/server/console/page/console.js.LICENSES.txt"), "utf8");
		for (const name of ["preact", "uplot"]) expect(page).toMatch(new RegExp(`^${name} [\\d.]+ \\(MIT\\)$`, "m"));
	});

	test("works as a module in Node, without any optional package", async () => {
		const output = await own.runModule(
			"backend.mjs",
			`import { createTracker } from "eventferry";
			import { createProxy } from "eventferry/server";
			import { startSandbox } from "eventferry/sandbox";
			const sandbox = await startSandbox();
			const proxy = createProxy({ store: "sqlite:./test.db", logLevel: "silent",
				sites: [{ writeKey: "site_test", origins: ["https://shop.example"], ...sandbox.destinations }] });
			await proxy.start();
			await proxy.track({ type: "track", name: "hello", person: { email: "ada@example.com" } });
			const { person } = await sandbox.waitFor({ name: "hello", destination: "crisp" });
			console.log(person.email, createTracker({ proxy: "/ferry", writeKey: "site_test" }).state().waiting);
			await proxy.stop();
			await sandbox.stop();`,
		);
		expect(output).toBe("ada@example.com 0\n");
	});

	test("starts and accepts an event in a program passed to `node --input-type=module -e`", async () => {
		const program = `import { once } from "node:events";
			import express from "express";
			import { createProxy } from "eventferry/server";
			import { startSandbox } from "eventferry/sandbox";
			const sandbox = await startSandbox();
			const origin = "https://shop.example";
			const proxy = createProxy({ store: "sqlite:./eval.db", logLevel: "silent",
				sites: [{ writeKey: "site_test", origins: [origin], ...sandbox.destinations }] });
			await proxy.start();
			const server = express().use(proxy.router).listen(0, "127.0.0.1");
			await once(server, "listening");
			const event = { id: crypto.randomUUID(), type: "track", name: "hello", at: Date.now(),
				person: { email: "ada@example.com" } };
			const { status } = await fetch("http://127.0.0.1:" + server.address().port + "/v1/batch", {
				method: "POST",
				headers: { origin, "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0" },
				body: JSON.stringify({ writeKey: "site_test", sentAt: Date.now(), events: [event] }),
			});
			const { person } = await sandbox.waitFor({ name: "hello", destination: "crisp" });
			console.log(status, person.email);
			server.close();
			await proxy.stop();
			await sandbox.stop();`;
		const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program], { cwd: own.project });
		expect(stdout).toBe("202 ada@example.com\n");
	});

	test("names the missing package when a part that needs it is imported", async () => {
		const output = await own.runModule(
			"peers.mjs",
			`await import("eventferry/react").catch(({ message }) => console.log(message));`,
		);
		expect(output).toMatch(/Cannot find package 'react'/);
	});

	test("does not let its internal modules be imported", async () => {
		const reach = 'await import("eventferry/dist/server/proxy.js").catch(({ code }) => console.log(code));';
		expect(await own.runModule("reach.mjs", reach)).toBe("ERR_PACKAGE_PATH_NOT_EXPORTED\n");
	});

	test("leaves nothing in a bundle that does not use it, but keeps the script imported for its side effects", async () => {
		const bundled = async (contents: string) => {
			const { outputFiles } = await build({
				stdin: { contents, resolveDir: own.project },
				bundle: true,
				write: false,
				format: "esm",
				minify: true,
			});
			return outputFiles[0]?.text.trim();
		};
		expect(await bundled('import { createTracker } from "eventferry";')).toBe("");
		expect(await bundled('import "eventferry/client.js";')).toContain("currentScript");
	});
});

describe("the published types", () => {
	const program = `import { createTracker, type ScriptTag } from "eventferry";
		import { TrackerProvider, useTracker } from "eventferry/react";
		import { startSandbox } from "eventferry/sandbox";
		import { createProxy, defineConfig, loadConfig, signIdentity } from "eventferry/server";

		declare global { interface Window { eventferry?: ScriptTag } }
		type Events = { "basket:item:added": { product: string } };
		const tracker = createTracker<Events>({ proxy: "/ferry", writeKey: "site_shop" });
		tracker.track("basket:item:added", { product: "iPhone X" }, { color: "blue" });
		// @ts-expect-error: no such event
		tracker.track("basket:item:removed");
		export const provide = () => TrackerProvider({ tracker });
		export const use = () => useTracker<Events>().track("basket:item:added", { product: "pen" });
		export const config = defineConfig({ sites: [{ writeKey: "site_shop", origins: ["https://shop.example"] }] });
		// @ts-expect-error: a port is a number
		defineConfig({ port: "80", sites: [] });
		const sandbox = await startSandbox();
		const proxy = createProxy(await loadConfig());
		await proxy.track({ type: "track", name: "hello", person: { email: "ada@example.com" } });
		// @ts-expect-error: a track event needs a name
		await proxy.track({ type: "track", person: { email: "ada@example.com" } });
		const { person } = await sandbox.waitFor({ name: "hello" });
		export const token: string = await signIdentity({ email: person.email }, { secret: "s".repeat(32), expiresIn: 60 });`;

	beforeAll(async () => {
		await own.alsoHas("react", "@types/react", "csstype");
		await own.write("program.ts", program);
	});

	test.each([
		["bundler", "esnext"],
		["nodenext", "nodenext"],
	])("are found and correct with moduleResolution %s", async (moduleResolution, module) => {
		const options = { strict: true, noEmit: true, target: "es2023", lib: ["es2024", "dom", "dom.iterable"], types: [] };
		const config = { compilerOptions: { ...options, module, moduleResolution }, files: ["program.ts"] };
		await own.write(`tsconfig.${module}.json`, JSON.stringify(config));
		const tsc = run(resolve("node_modules/.bin/tsc"), ["-p", `tsconfig.${module}.json`], { cwd: own.project });
		expect(await tsc.catch(({ stdout }) => ({ stdout }))).toMatchObject({ stdout: "" });
	});
});

describe("the published command and script tag", () => {
	test("`npx eventferry serve --sandbox` serves a script that delivers a real page's events", async () => {
		const bin = join(own.project, "node_modules/.bin/eventferry");
		const serve = spawn(process.execPath, [bin, "serve", "--sandbox", "--port", "0"], {
			cwd: own.project,
			stdio: ["ignore", "pipe", "inherit"],
		});
		const [line] = await once(createInterface(serve.stdout), "line");
		const proxy = String(line).replace("eventferry listening on ", "");
		const site = await answering((_request, response) => {
			response.setHeader("Content-Type", "text/html");
			response.end(
				`<!doctype html><script>window.eventferry = window.eventferry || [];</script>
				<script async src="${proxy}/client.js" data-write-key="site_sandbox"></script>
				<script>eventferry.push(["login", { email: "ada@example.com" }], ["track", "hello"])</script>`,
			);
		});
		const chromium = await launchChromium();
		try {
			const page = await (await chromium.visitor()).newPage();
			await page.goto(site.url);
			await page.waitForFunction("!Array.isArray(window.eventferry)");
			await page.evaluate("window.eventferry.flush()");
			const delivered = async () => {
				const { destinations } = await (await fetch(`${proxy}/admin/stats`)).json();
				return ["crisp", "helpcrunch", "vibetrace"].map((name) => destinations[name].delivered);
			};
			await expect.poll(delivered, { timeout: 60_000, interval: 50 }).toEqual([2, 2, 2]);
		} finally {
			await chromium.close();
			await site.close();
			const ended = once(serve, "exit");
			serve.kill("SIGTERM");
			expect(await ended).toEqual([0, null]);
		}
	});
});
