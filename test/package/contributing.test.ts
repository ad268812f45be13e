import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, readFile, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { answering } from "../support/answering.ts";
import { postEvents, temporaryFolder, track } from "../support/served.ts";

const run = promisify(execFile);

/** Follows the steps of CONTRIBUTING.md in a copy of the sources. Resolves to their number. */
async function follow(folder: string): Promise<number> {
	const guide = await readFile("CONTRIBUTING.md", "utf8");
	const steps = [...guide.matchAll(/^\*\*\d+\. `([^`]+)`, (?:new|before `(.+)`):\*\*\n\n```ts\n([\s\S]*?)```$/gm)];
	for (const [, path = "", anchor, code = ""] of steps) {
		const file = join(folder, path);
		if (anchor === undefined) {
			await writeFile(file, code);
			continue;
		}
		const before = await readFile(file, "utf8");
		expect(before.split(anchor), `${path} has ${anchor} once`).toHaveLength(2);
		await writeFile(
			file,
			before.replace(anchor, () => code + anchor),
		);
	}
	return steps.length;
}

test("a provider added by the steps of CONTRIBUTING.md compiles, passes `check`, and receives events", async () => {
	const { path, remove } = temporaryFolder();
	for (const part of ["server", "shared", "package.json", "tsconfig.json"])
		await cp(part, join(path, part), { recursive: true });
	await symlink(resolve("node_modules"), join(path, "node_modules"));
	expect(await follow(path)).toBe(2);
	// Types of packages keep their names in declarations only if the link to node_modules counts as a folder.
	const compiled = run(resolve("node_modules/.bin/tsc"), ["-p", "server", "--preserveSymlinks"], { cwd: path });
	expect(await compiled.catch(({ stdout }) => ({ stdout }))).toMatchObject({ stdout: "" });

	const received: string[] = [];
	const toy = await answering(async (request, response) => {
		received.push(`${request.method} ${request.url} ${request.headers.authorization} ${await text(request)}`);
		response.setHeader("Content-Type", "application/json").end("{}");
	});
	const env = {
		PATH: process.env.PATH,
		EVENTFERRY_WRITE_KEY: "site_toy",
		EVENTFERRY_ORIGINS: "https://shop.example",
		EVENTFERRY_SERVER_KEY: "server-key",
		TOY_API_KEY: "toy-key",
		TOY_BASE_URL: toy.url,
	};
	const { stdout } = await run(process.execPath, ["server/cli.ts", "check", "--live"], { cwd: path, env });
	expect(stdout).toMatch(/toy accepts the credentials/);
	const serve = spawn(process.execPath, ["server/cli.ts", "serve", "--port", "0"], {
		cwd: path,
		env,
		stdio: ["ignore", "pipe", "ignore"],
	});
	const [line] = await once(createInterface(serve.stdout), "line");
	await postEvents(String(line).replace("eventferry listening on ", ""), [
		track("played", { data: { with: "blocks" } }),
	]);
	await expect
		.poll(() => received.at(-1), { timeout: 60_000, interval: 20 })
		.toBe('POST /people/ada%40example.com/events Bearer toy-key {"name":"played","data":{"with":"blocks"}}');
	const ended = once(serve, "exit");
	serve.kill("SIGTERM");
	await ended;
	await toy.close();
	remove();
});
