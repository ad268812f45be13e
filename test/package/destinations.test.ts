import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Installed, installed } from "./installed.ts";

const run = promisify(execFile);
const blocks = [...readFileSync("docs/destinations.md", "utf8").matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].map(
	([, language = "", text = ""]) => ({ language, text }),
);
/** Files that the page shows whole, by name. */
const files = Object.fromEntries(
	blocks.flatMap(({ language, text }) => {
		const [, name] = /^\/\/ ([\w.]+\.mjs)(?=\n|:)/.exec(text) ?? [];
		return language === "js" && name ? [[name, text]] : [];
	}),
);

let own: Installed;
beforeAll(async () => {
	own = await installed();
	for (const [name, text] of Object.entries(files)) await own.write(name, text);
	await own.alsoHas("standardwebhooks", "@stablelib", "fast-sha256");
});
afterAll(() => own.remove());

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

test("docs/destinations.md leads from an installed package to a green test and a valid configuration", async () => {
	expect(Object.keys(files)).toEqual([
		"slack.mjs",
		"slack.test.mjs",
		"eventferry.config.mjs",
		"crm.mjs",
		"receiver.mjs",
		"contacts.mjs",
	]);
	const { NODE_TEST_CONTEXT: _, ...env } = process.env;
	const tested = await run(process.execPath, ["--test", "slack.test.mjs"], { cwd: own.project, env });
	expect(tested.stdout).toMatch(/pass 1\n/);
	const cli = join(own.project, "node_modules/eventferry/dist/server/cli.js");
	const checked = await run(process.execPath, [cli, "check"], {
		cwd: own.project,
		env: { PATH: process.env.PATH, EVENTFERRY_SERVER_KEY: randomUUID(), SLACK_URL: "https://hooks.slack.com/x" },
	});
	expect(checked.stdout).toMatch(/site_shop: from https:\/\/shop\.example to slack/);
});

test.each(["crm", "contacts"])("docs/destinations.md's %s passes testDestination", async (name) => {
	const output = await own.runModule(
		`${name}.check.mjs`,
		`import { testDestination } from "eventferry/sandbox";
		import { ${name} } from "./${name}.mjs";
		const checks = await testDestination(${name}, { answer: () => Response.json({ id: 7 }) });
		console.log(checks.filter(({ result }) => result === "failed").length, checks.length);`,
	);
	expect(output).toBe("0 9\n");
});

test("docs/destinations.md's receiver verifies what is signed", async () => {
	const output = await own.runModule(
		"receiver.check.mjs",
		`process.env.WEBHOOK_SECRET = ${JSON.stringify(secret)};
		const { verify } = await import("./receiver.mjs");
		const timestamp = String(Math.floor(Date.now() / 1000));
		const { createHmac } = await import("node:crypto");
		const key = Buffer.from(process.env.WEBHOOK_SECRET.slice(6), "base64");
		const signature = "v1," + createHmac("sha256", key).update("id." + timestamp + ".{}").digest("base64");
		console.log(verify("{}", { "webhook-id": "id", "webhook-timestamp": timestamp, "webhook-signature": signature }));`,
	);
	expect(output).toBe("{}\n");
});

test("docs/destinations.md's answers and addresses are taken", async () => {
	const address = blocks.find(({ text }) => text.includes("const destinations = "))?.text;
	const answers = blocks.find(({ text }) => text.startsWith("return {"))?.text ?? "";
	const output = await own.runModule(
		"answers.check.mjs",
		`import { createProxy, loadConfig } from "eventferry/server";
		${address}
		const kinds = ${JSON.stringify(answers.split("\n").filter(Boolean))}.map((line) => new Function(line)());
		const own = Object.fromEntries(kinds.map((answer) => [answer.kind, { send: () => answer }]));
		const sites = [{ writeKey: "site_shop", origins: ["https://shop.example"], destinations: { ...destinations, ...own } }];
		const config = { store: "sqlite:./answers.db", logLevel: "silent", adminToken: "token", sites };
		await loadConfig({ file: false, env: {}, defaults: config });
		delete destinations.warehouse;
		const proxy = createProxy({ ...config, sites: [{ ...sites[0], destinations: own }] });
		await proxy.start();
		await proxy.track({ type: "track", name: "hello", person: { email: "ada@example.com" } });
		const { createServer } = await import("node:http");
		const express = (await import("express")).default;
		const server = createServer(express().use(proxy.router)).listen(0, "127.0.0.1");
		await (await import("node:events")).once(server, "listening");
		const url = () => "http://127.0.0.1:" + server.address().port + "/admin/stats";
		for (;;) {
			const { destinations } = await (await fetch(url(), { headers: { authorization: "Bearer token" } })).json();
			const { delivered, rejected, wait } = destinations;
			if (delivered.delivered === 1 && rejected.dead === 1 && wait.state === "waiting") break;
		}
		server.closeAllConnections();
		server.close();
		await proxy.stop();
		console.log(kinds.map(({ kind }) => kind).join());`,
	);
	expect(output).toBe("delivered,retry,wait,rejected,paused\n");
});
