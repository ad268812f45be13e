import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Sandbox, startSandbox } from "../../server/sandbox/index.ts";
import { type CommandLine, commandLine } from "../support/command.ts";
import { adminToken, browserAgent, event, problemOf } from "../support/proxy.ts";
import { postEvents } from "../support/served.ts";

describe("one proxy for several sites, from one configuration file", () => {
	let commands: CommandLine;
	let blogSandbox: Sandbox;
	let url: string;
	beforeAll(async () => {
		commands = await commandLine();
		blogSandbox = await startSandbox();
		const { crisp, vibetrace } = commands.sandbox.destinations;
		const sites = [
			{ writeKey: "site_shop", origins: ["https://shop.example"], serverKey: "shop-key", crisp, vibetrace },
			{
				writeKey: "site_blog",
				origins: ["https://blog.example", "https://www.blog.example"],
				serverKey: "blog-key",
				attributes: ["plan"],
				crisp: { ...blogSandbox.destinations.crisp, events: ["track", "page", "update"] },
			},
		];
		const config = `export default ${JSON.stringify({ adminToken, store: `sqlite:${join(commands.folder, "two.db")}`, sites })};`;
		await writeFile(join(commands.folder, "eventferry.config.mjs"), config);
		({ url } = await commands.serve(["--port", "0"], {}));
	});
	afterAll(async () => {
		await commands.stop();
		await blogSandbox.stop();
	});

	const post = (writeKey: string, origin: string, ...events: unknown[]) =>
		fetch(`${url}/v1/batch`, {
			method: "POST",
			headers: { origin, "user-agent": browserAgent, "content-type": "text/plain" },
			body: JSON.stringify({ writeKey, sentAt: Date.now(), events }),
		});
	const eventsAt = (sandbox: Sandbox, destination: "crisp" | "vibetrace") =>
		sandbox.people(destination).flatMap(({ email, events }) => events.map(({ name }) => `${email} ${name}`));

	test("each site's events go to its own accounts, with its own rules", async () => {
		const person = { email: "ada@example.com" };
		expect((await post("site_shop", "https://shop.example", event({ name: "bought", person }))).status).toBe(202);
		const page = event({ type: "page", name: undefined, person });
		const update = event({ type: "update", name: undefined, person, data: { plan: "pro", shoe: 43 } });
		expect((await post("site_blog", "https://www.blog.example", page, update)).status).toBe(202);
		await commands.sandbox.until(() => eventsAt(commands.sandbox, "vibetrace").length > 0);
		await commands.sandbox.until(() => eventsAt(commands.sandbox, "crisp").length > 0);
		await blogSandbox.until(() => blogSandbox.people("crisp")[0]?.attributes.plan === "pro");
		expect(eventsAt(commands.sandbox, "crisp")).toEqual(["ada@example.com bought"]);
		expect(eventsAt(commands.sandbox, "vibetrace")).toEqual(["ada@example.com bought"]);
		expect(eventsAt(blogSandbox, "crisp")).toEqual(["ada@example.com page"]);
		expect(blogSandbox.people("crisp")[0]?.attributes).toEqual({ plan: "pro" });
		expect(blogSandbox.requests("vibetrace")).toEqual([]);
	});

	test("an event of a provider's own script in the page does not go to that provider again", async () => {
		const of = (via: string) =>
			event({ name: `via ${via}`, person: { email: `${via}@example.com` }, context: { via } });
		const sent = await post("site_shop", "https://shop.example", of("crisp"), of("vibetrace"), of("ga4"), of("nobody"));
		expect(sent.status).toBe(202);
		const arrived = (destination: "crisp" | "vibetrace") =>
			eventsAt(commands.sandbox, destination).flatMap((each) => each.split(" via ")[1] ?? []);
		await commands.sandbox.until(() => [...arrived("crisp"), ...arrived("vibetrace")].length === 6);
		expect(arrived("crisp").toSorted()).toEqual(["ga4", "nobody", "vibetrace"]);
		expect(arrived("vibetrace").toSorted()).toEqual(["crisp", "ga4", "nobody"]);
	});

	test("one site's pages cannot use another's write key", async () => {
		for (const [writeKey, origin] of [
			["site_shop", "https://blog.example"],
			["site_blog", "https://shop.example"],
		] as const) {
			expect(await problemOf(await post(writeKey, origin, event()))).toMatchObject({ code: "origin_not_allowed" });
		}
	});

	test("a server key is valid for its own site only", async () => {
		const person = { email: "bob@example.com" };
		const sent = await postEvents(url, [event({ name: "invoice:paid", person })], "blog-key");
		expect(sent.status).toBe(202);
		await blogSandbox.until(() => eventsAt(blogSandbox, "crisp").includes("bob@example.com invoice:paid"));
		expect(commands.sandbox.people("crisp").map(({ email }) => email)).not.toContain("bob@example.com");
	});

	test("stats list the sites' budgets separately", async () => {
		const { stdout } = await commands.run(["stats"], { EVENTFERRY_URL: url, EVENTFERRY_ADMIN_TOKEN: adminToken });
		expect(stdout).toMatch(/^crisp +site_shop .*\ncrisp +site_blog /m);
	});
});
