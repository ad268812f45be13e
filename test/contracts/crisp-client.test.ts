import { globSync, readFileSync } from "node:fs";
import { Crisp } from "crisp-api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sections } from "../../server/crisp/sections.ts";
import { type CrispClient, CrispError, createCrisp } from "../../server/index.ts";
import { type Sandbox, type SandboxRequest, startSandbox } from "../../server/sandbox/index.ts";
import { documentedMethods } from "./crisp-document.ts";

let sandbox: Sandbox;
let crisp: CrispClient;
let website: string;
/** Ids created before each call: of a conversation, an operator, a person. */
const made = { session: "", operator: "", person: "" };
beforeAll(async () => {
	sandbox = await startSandbox();
	website = sandbox.destinations.crisp.websiteId;
	crisp = createCrisp(sandbox.destinations.crisp);
});
afterAll(() => sandbox.stop());

const listed = documentedMethods
	.trim()
	.split("\n")
	.map((line) => {
		const [, section = "", name = "", parameters = ""] = /^(\w+)\.(\w+)\((.*)\)$/.exec(line) ?? [];
		return { section, name, parameters: parameters.split(", ").filter(Boolean) };
	});

type Loose = Record<string, Record<string, (...args: unknown[]) => Promise<unknown>>>;
const call = (section: string, name: string, args: unknown[]) => {
	const found = (crisp as unknown as Loose)[section]?.[name];
	if (!found) throw new Error(`there is no ${section}.${name}`);
	return found(...args);
};
/** The latest request, without the fields that all requests share. */
function lastRequest(): Pick<SandboxRequest, "method" | "path" | "query" | "body" | "status"> {
	const { method, path, query, body, status } = sandbox.requests("crisp").at(-1) ?? { method: "none", path: "" };
	return {
		method,
		path,
		...(query && { query: decodeURIComponent(query) }),
		...(body !== undefined && { body }),
		...(status !== undefined && { status }),
	};
}

const email = "ada+news@example.com";
const encoded = "ada%2Bnews%40example.com";
const conversation = () => `/website/${website}/conversation/${made.session}`;
const people = () => `/website/${website}/people`;
const profile = { email, person: { nickname: "Ada" } };
const message = { type: "text", from: "operator", origin: "chat", content: "I'm a bot" };
const condition = { model: "people", criterion: "segments", operator: "eq" };
const filter = [
	{ ...condition, query: ["vip"] },
	{ ...condition, query: ["uk"] },
];

/** A sensible value for each parameter that the document names. */
const values: Record<string, () => unknown> = {
	websiteId: () => website,
	sessionId: () => made.session,
	operatorId: () => made.operator,
	peopleId: () => email,
	email: () => email,
	page: () => 2,
	from: () => "operator",
	origin: () => "chat",
	fingerprints: () => [1, 2],
	blocked: () => true,
	state: () => "resolved",
	assign: () => ({ assigned: { user_id: made.operator } }),
	segments: () => ["vip", "uk"],
	message: () => message,
	query: () => ({ timestamp_before: 1_700_000_000_000 }),
};

/** Expected request of each method. `with` is the value of parameters such as `params`. */
const expectedRequests: Record<
	string,
	() => { with?: unknown; also?: unknown[]; method: string; path: string; query?: string; body?: unknown }
> = {
	"websiteConversations.getList": () => ({ method: "GET", path: `/website/${website}/conversations/2` }),
	"websiteConversations.getOne": () => ({ method: "GET", path: conversation() }),
	"websiteConversations.getMeta": () => ({ method: "GET", path: `${conversation()}/meta` }),
	"websiteConversations.updateMeta": () => ({
		with: { nickname: "Ada" },
		method: "PATCH",
		path: `${conversation()}/meta`,
		body: { nickname: "Ada" },
	}),
	"websiteConversations.getMessages": () => ({
		method: "GET",
		path: `${conversation()}/messages`,
		query: "timestamp_before=1700000000000",
	}),
	"websiteConversations.create": () => ({ method: "POST", path: `/website/${website}/conversation`, body: {} }),
	"websiteConversations.initiateOne": () => ({ method: "POST", path: `${conversation()}/initiate`, body: {} }),
	"websiteConversations.sendMessage": () => ({ method: "POST", path: `${conversation()}/message`, body: message }),
	"websiteConversations.setState": () => ({
		method: "PATCH",
		path: `${conversation()}/state`,
		body: { state: "resolved" },
	}),
	"websiteConversations.getRouting": () => ({ method: "GET", path: `${conversation()}/routing` }),
	"websiteConversations.setRouting": () => ({
		method: "PATCH",
		path: `${conversation()}/routing`,
		body: { assigned: { user_id: made.operator } },
	}),
	"websiteConversations.setBlock": () => ({
		method: "PATCH",
		path: `${conversation()}/block`,
		body: { blocked: true },
	}),
	"websiteConversations.deleteOne": () => ({ method: "DELETE", path: conversation() }),
	"websiteConversations.acknowledgeMessages": () => ({
		method: "PATCH",
		path: `${conversation()}/read`,
		body: { from: "operator", origin: "chat", fingerprints: [1, 2] },
	}),
	"websitePeople.findByEmail": () => ({ method: "GET", path: `${people()}/profile/${encoded}` }),
	"websitePeople.findBySegments": () => ({
		method: "GET",
		path: `${people()}/profiles/1`,
		query: `search_operator=and&search_filter=${JSON.stringify(filter)}`,
	}),
	"websitePeople.createNewPeopleProfile": () => ({
		with: { ...profile, email: "bob@example.com" },
		method: "POST",
		path: `${people()}/profile`,
		body: { ...profile, email: "bob@example.com" },
	}),
	"websitePeople.checkPeopleProfileExists": () => ({ method: "HEAD", path: `${people()}/profile/${encoded}` }),
	"websitePeople.getPeopleProfile": () => ({ method: "GET", path: `${people()}/profile/${encoded}` }),
	"websitePeople.listPeopleProfiles": () => ({ method: "GET", path: `${people()}/profiles/2` }),
	"websitePeople.removePeopleProfile": () => ({ method: "DELETE", path: `${people()}/profile/${encoded}` }),
	"websitePeople.savePeopleProfile": () => ({
		with: profile,
		method: "PUT",
		path: `${people()}/profile/${encoded}`,
		body: profile,
	}),
	"websitePeople.updatePeopleProfile": () => ({
		with: { person: { phone: "1" } },
		method: "PATCH",
		path: `${people()}/profile/${encoded}`,
		body: { person: { phone: "1" } },
	}),
	"websitePeople.listPeopleSegments": () => ({ method: "GET", path: `${people()}/suggest/segments/2` }),
	"websitePeople.addPeopleEvent": () => ({
		with: { text: "signup", color: "blue" },
		method: "POST",
		path: `${people()}/events/${encoded}`,
		body: { text: "signup", color: "blue" },
	}),
	"websitePeople.listPeopleEvent": () => ({ method: "GET", path: `${people()}/events/${encoded}/list/2` }),
	"websitePeople.getPeopleData": () => ({ method: "GET", path: `${people()}/data/${encoded}` }),
	"websitePeople.updatePeopleData": () => ({
		with: { plan: "pro" },
		method: "PATCH",
		path: `${people()}/data/${encoded}`,
		body: { data: { plan: "pro" } },
	}),
	"website.create": () => ({
		with: { name: "Shop", domain: "shop.example" },
		method: "POST",
		path: "/website",
		body: { name: "Shop", domain: "shop.example" },
	}),
	"website.delete": () => ({
		also: [{ method: "password", secret: "x" }],
		method: "DELETE",
		path: `/website/${website}`,
		body: { verify: { method: "password", secret: "x" } },
	}),
	"websiteSettings.get": () => ({ method: "GET", path: `/website/${website}/settings` }),
	"websiteSettings.update": () => ({
		with: { name: "Shop" },
		method: "PATCH",
		path: `/website/${website}/settings`,
		body: { name: "Shop" },
	}),
	"websiteOperators.getList": () => ({ method: "GET", path: `/website/${website}/operators/list` }),
	"websiteOperators.getOne": () => ({ method: "GET", path: `/website/${website}/operator/${made.operator}` }),
	"websiteOperators.deleteOne": () => ({ method: "DELETE", path: `/website/${website}/operator/${made.operator}` }),
	"websiteOperators.createOne": () => ({
		with: { email, role: "member" },
		method: "POST",
		path: `/website/${website}/operator`,
		body: { email, role: "member", verify: true },
	}),
	"websiteOperators.updateOne": () => ({
		with: { role: "owner" },
		method: "PATCH",
		path: `/website/${website}/operator/${made.operator}`,
		body: { role: "owner" },
	}),
};

describe("createCrisp", () => {
	it("does what each documented method says, or rejects at once with the reason that Crisp has withdrawn it", async () => {
		let done = 0;
		for (const { section, name, parameters } of listed) {
			const at = `${section}.${name}`;
			const { session_id: session } = await crisp.websiteConversations.create(website);
			made.session = String(session);
			made.operator = (
				(await call("websiteOperators", "createOne", [website, { email, role: "member" }])) as { user_id: string }
			).user_id;
			sandbox.removePerson("crisp", email);
			sandbox.addPerson("crisp", { email });

			const before = sandbox.requests("crisp").length;
			const expected = expectedRequests[at]?.();
			// The document omits the id of the website whose settings are updated.
			const wanted = at === "websiteSettings.update" ? ["websiteId", ...parameters] : parameters;
			const args = wanted.map((parameter) => (values[parameter] ? values[parameter]() : expected?.with));
			const answer = call(section, name, [...args, ...(expected?.also ?? [])]);
			if (expected) {
				await answer;
				const { with: _, also: __, ...request } = expected;
				const { status = 0, ...last } = lastRequest();
				expect(last, at).toEqual(request);
				expect(status, at).toBeLessThan(300);
				expect(sandbox.requests("crisp").length, at).toBe(before + 1);
			} else {
				await expect(answer, at).rejects.toMatchObject({ name: "CrispError", code: "withdrawn" });
				await expect(answer, at).rejects.toThrow(new RegExp(`has withdrawn ${at}.*: \\w`));
				expect(sandbox.requests("crisp").length, at).toBe(before);
			}
			done += 1;
		}
		process.stdout.write(`Crisp methods: ${done}/${listed.length}\n`);
		expect(done).toBe(41);
		expect(Object.keys(expectedRequests)).toHaveLength(37);
	});

	it("has no undocumented section or method except savePeopleData", () => {
		const ours = Object.entries(sections).flatMap(([section, methods]) =>
			Object.keys(methods).map((name) => `${section}.${name}`),
		);
		const theirs = listed.map(({ section, name }) => `${section}.${name}`);
		expect(ours.filter((each) => !theirs.includes(each))).toEqual(["websitePeople.savePeopleData"]);
		expect(theirs.filter((each) => !ours.includes(each))).toEqual([]);
	});

	it("calls only methods that the official client has", () => {
		const official = new Crisp().website as unknown as Record<string, unknown>;
		for (const [section, methods] of Object.entries(sections))
			for (const [name, entry] of Object.entries(methods))
				if ("officialName" in entry) expect(official[entry.officialName], `${section}.${name}`).toBeTypeOf("function");
	});

	it("has types that compile even if crisp-api is not installed", () => {
		const files = globSync("dist/server/**/*.d.ts").map((file) => readFileSync(file, "utf8"));
		const mentioning = files.filter((text) => /(from|import\()\s*"crisp-api"/.test(text));
		expect(mentioning.length).toBeGreaterThan(3);
		// TypeScript does not check a file with this comment, and takes types that it cannot find for `any`.
		expect(mentioning.filter((text) => !text.startsWith("// @ts-nocheck\n"))).toEqual([]);
	});

	it("is described in docs/crisp.md by a table of its methods", () => {
		const rows = Object.entries(sections).flatMap(([section, methods]) =>
			Object.entries(methods).map(([name, entry]) =>
				"instead" in entry
					? `| \`${section}.${name}\` | \`${entry.route}\` | withdrawn: ${entry.instead} | |`
					: `| \`${section}.${name}\` | \`${entry.route}\` | \`${entry.officialName}\` | ${entry.note ?? ""} |`,
			),
		);
		const table = [
			"| in the document | route today | in `crisp-api` today | note |",
			"|---|---|---|---|",
			...rows,
		].join("\n");
		expect(readFileSync("docs/crisp.md", "utf8")).toContain(table);
	});

	it("merges or replaces data, as the method's name says, wrapped or not", async () => {
		sandbox.removePerson("crisp", email);
		sandbox.addPerson("crisp", { email, attributes: { a: 1 } });
		const data = () => sandbox.people("crisp").find((person) => person.email === email)?.attributes;
		await crisp.websitePeople.updatePeopleData(website, email, { b: 2 });
		expect(data()).toEqual({ a: 1, b: 2 });
		await crisp.websitePeople.updatePeopleData(website, email, { data: { c: 3 } });
		expect(data()).toEqual({ a: 1, b: 2, c: 3 });
		await crisp.websitePeople.savePeopleData(website, email, { data: "a key of that name", d: 4 });
		expect(data()).toEqual({ data: "a key of that name", d: 4 });
	});

	it("accepts a page with or without the superfluous person id that the document puts before it", async () => {
		const paths = async (...calls: Promise<unknown>[]) => {
			await Promise.all(calls);
			return sandbox
				.requests("crisp")
				.slice(-calls.length)
				.map(({ path, query }) => [path.split("/").at(-1), query ?? ""]);
		};
		const { listPeopleProfiles, listPeopleSegments } = crisp.websitePeople;
		const each = [
			await paths(listPeopleProfiles(website)),
			await paths(listPeopleProfiles(website, 3)),
			await paths(listPeopleProfiles(website, email, 3)),
			await paths(listPeopleProfiles(website, undefined, 3)),
			await paths(listPeopleProfiles(website, 3, { search_text: "Ada" })),
			await paths(listPeopleProfiles(website, email, 3, { search_text: "Ada" })),
			await paths(listPeopleSegments(website)),
			await paths(listPeopleSegments(website, email, 3)),
			await paths(listPeopleProfiles(website, "3")),
			await paths(listPeopleProfiles(website, email, "3")),
			await paths(listPeopleProfiles(website, email, "3", { per_page: 50 })),
			await paths(listPeopleProfiles(website, "3", { per_page: "50", search_text: "Ada" })),
			// Calls it as JavaScript may.
			await paths(
				(listPeopleProfiles as (...given: unknown[]) => Promise<unknown>)(website, email, undefined, { per_page: 50 }),
			),
			await paths(
				(listPeopleProfiles as (...given: unknown[]) => Promise<unknown>)(website, undefined, null, { per_page: 50 }),
			),
			await paths(listPeopleSegments(website, "3")),
			await paths(listPeopleSegments(website, email, "3")),
		].flat();
		expect(each.map(([page]) => page)).toEqual([
			...["1", "3", "3", "3", "3", "3", "1", "3"],
			...["3", "3", "3", "3", "1", "1", "3", "3"],
		]);
		expect(each.map(([, query]) => query)).toEqual([
			...["", "", "", "", "search_text=Ada", "search_text=Ada", "", ""],
			...["", "", "per_page=50", "per_page=50&search_text=Ada", "per_page=50", "per_page=50", "", ""],
		]);
	});

	it("resolves to whether a profile exists", async () => {
		sandbox.removePerson("crisp", email);
		expect(await crisp.websitePeople.checkPeopleProfileExists(website, email)).toBe(false);
		sandbox.addPerson("crisp", { email });
		expect(await crisp.websitePeople.checkPeopleProfileExists(website, email)).toBe(true);
		const fault = sandbox.fault("crisp", { status: 500 });
		await expect(crisp.websitePeople.checkPeopleProfileExists(website, email)).rejects.toMatchObject({ status: 500 });
		fault();
	});

	it("sets a conversation's state and block, given alone or in an object, and says by whom", async () => {
		const { create, setState, setBlock } = crisp.websiteConversations;
		const id = String((await create(website)).session_id);
		const user = { type: "website", nickname: "Shop" } as const;
		await setState(website, id, "resolved");
		await setState(website, id, { state: "pending" });
		await setBlock(website, id, true);
		await setBlock(website, id, { blocked: false });
		await setBlock(website, id, { blocked: true, origin: "chat" });
		await setState(website, id, "resolved", user, "chat");
		expect(
			sandbox
				.requests("crisp")
				.slice(-6)
				.map(({ body }) => body),
		).toEqual([
			...[{ state: "resolved" }, { state: "pending" }, { blocked: true }, { blocked: false }],
			...[
				{ blocked: true, origin: "chat" },
				{ state: "resolved", user, origin: "chat" },
			],
		]);
	});

	it("assigns a conversation to an operator by id, and to nobody", async () => {
		const { session_id } = await crisp.websiteConversations.create(website);
		await crisp.websiteConversations.setRouting(website, String(session_id), "u-1");
		expect(await crisp.websiteConversations.getRouting(website, String(session_id))).toEqual({
			assigned: { user_id: "u-1" },
		});
		await crisp.websiteConversations.setRouting(website, String(session_id), null);
		expect(await crisp.websiteConversations.getRouting(website, String(session_id))).toEqual({
			assigned: { user_id: null },
		});
	});

	it("has types for its arguments and results", () => {
		const typed = (client: CrispClient) => {
			client.on("session:set_email", ({ session_id, email }) => `${session_id} ${email}`);
			client.on("widget:action:processed", ({ outcome }) => outcome === "success");
			client.on("missed", ({ since, until }) => until - since);
			// @ts-expect-error: no such event
			client.on("message:sent", () => {});
			// @ts-expect-error: a page is a number
			client.websiteConversations.getList(website, "2");
			// @ts-expect-error: needs an id and a profile
			client.websitePeople.updatePeopleProfile(website, { email });
			return client.websitePeople.getPeopleProfile(website, email).then(({ person }) => person?.nickname?.trim());
		};
		expect(typed).toBeTypeOf("function");
	});

	describe("builds addresses", () => {
		it.each([["a b+ü@x.example", "a%20b%2B%C3%BC%40x.example"]])("with %s escaped", async (id, segment) => {
			await crisp.websitePeople.getPeopleProfile(website, id).catch(() => {});
			expect(lastRequest().path).toBe(`${people()}/profile/${segment}`);
			await (await crisp.client()).website.listPeopleConversations(website, id).catch(() => {});
			expect(lastRequest().path).toBe(`${people()}/conversations/${segment}/list/1`);
		});

		it.each([
			...["..", ".", "", "../../conversation/s", "a/b@x.example", "a?b@x.example", "a#b", "%2e%2e", "a\\b", "\ud800"],
			...[undefined, null, {}],
		])("but refuses %j", async (id) => {
			const before = sandbox.requests("crisp").length;
			const profile = crisp.websitePeople.getPeopleProfile(website, id as string);
			await expect(profile).rejects.toThrow(TypeError);
			await expect(crisp.websiteSettings.get(id as string)).rejects.toThrow(/a part of the address/);
			expect(sandbox.requests("crisp")).toHaveLength(before);
		});
	});

	describe("rejects with an error", () => {
		const failing = () => crisp.websitePeople.getPeopleProfile(website, "nobody@example.com");
		const caught = () =>
			failing().then(
				() => undefined,
				(error) => error,
			);

		it("that has Crisp's reason and status", async () => {
			const error = await caught();
			expect(error).toBeInstanceOf(CrispError);
			expect(error).toMatchObject({ code: "request_failed", reason: "not_found", status: 404 });
			expect(error.message).not.toContain("nobody");
		});

		it("even if Crisp's reason is no text, or a very long one", async () => {
			for (const reason of [7, { $gt: "" }, ["x"], "x".repeat(60_000)]) {
				const end = sandbox.fault("crisp", { status: 400, body: { error: true, reason } });
				const error = await caught();
				expect(error).toBeInstanceOf(CrispError);
				expect(error).toMatchObject({ code: "request_failed", status: 400, reason: expect.any(String) });
				expect(error.message.length).toBeLessThan(400);
				end();
			}
		});

		it("without a status if there was no answer", async () => {
			const fault = sandbox.fault("crisp", { reset: true });
			expect(await caught()).toMatchObject({ code: "request_failed", status: undefined });
			fault();
		});

		it.each([
			["has no body", { status: 204 }],
			["is a web page", { body: "<html>", contentType: "text/html" }],
		])("if a success %s, as the operation may have been done", async (_what, fault) => {
			const end = sandbox.fault("crisp", fault);
			expect(await caught()).toMatchObject({ code: "unreadable" });
			end();
		});

		it("that names the problem with the token", async () => {
			const wrongKey = createCrisp({ ...sandbox.destinations.crisp, key: "wrong" });
			await expect(wrongKey.website.create({ name: "x", domain: "x.example" })).rejects.toMatchObject({
				status: 401,
				reason: "invalid_session",
			});
			const tier = createCrisp({ ...sandbox.destinations.crisp, tier: "plugin" });
			await expect(tier.websiteSettings.get(website)).rejects.toMatchObject({ status: 404, reason: "not_subscribed" });
		});
	});
});
