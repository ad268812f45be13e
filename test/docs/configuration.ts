import { readFileSync } from "node:fs";
import type * as z from "zod";
import { configSchema } from "../../server/config/schema.ts";
import { variables } from "../../server/config/variables.ts";
import { definitions, providerNames } from "../../server/providers/registry.ts";

type Shape = Record<string, z.core.$ZodType>;

/** Finds the shape of the object inside optional, default, list, record and piped schemas. */
function shapeIn(schema: unknown): Shape {
	const { shape, innerType, element, valueType, out } = (schema as { _zod: { def: Record<string, unknown> } })._zod.def;
	if (shape) return shape as Shape;
	const inner = innerType ?? element ?? valueType ?? out;
	if (!inner) throw new Error("no object in the schema");
	return shapeIn(inner);
}

/** Reads the doc comments of a file's properties, by the property's name. */
function docsIn(file: string): Record<string, string> {
	const source = readFileSync(file, "utf8");
	const found = [...source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*(?:readonly )?(\w+)\??[:(]/g)];
	// The first of a name counts.
	return Object.fromEntries(
		found.reverse().map(([, text = "", name = ""]) => [name, text.replaceAll(/\s+(\* ?)?/g, " ").trim()]),
	);
}

/** Unit and example of an option. */
type Facts = readonly [unit: string, example: unknown];

const delivery: Record<string, Facts> = {
	events: ["", ["login", "confirmation", "basket:*"]],
	budget: ["requests", 8000],
	dayStartsAt: ["UTC", "06:00Z"],
	reserve: ["parts of 1", 0.3],
	maxWait: ["ms", 259_200_000],
};
const account: Record<string, Facts> = {
	...delivery,
	createPeople: ["", ["confirmation"]],
	occurredAt: ["", "always"],
};
const base = (url: string): Facts => ["", url];

interface Section {
	title: string;
	/** Place of the section's options in the configuration, in words. */
	place: string;
	/** Path of the options in variables; absent if they have none. */
	path?: string;
	shape: Shape;
	docs: Record<string, string>;
	facts: Record<string, Facts>;
}

function sections(): Section[] {
	const root = configSchema({ sandbox: false, needsDestination: false }).shape as unknown as Shape;
	const site = shapeIn(root.sites);
	const deliveryDocs = { ...docsIn("server/config/destination.ts"), ...docsIn("server/providers/options.ts") };
	const without = (shape: Shape, names: string[]) =>
		Object.fromEntries(Object.entries(shape).filter(([name]) => !names.includes(name)));
	const own: Record<string, Record<string, Facts>> = {
		crisp: {
			websiteId: ["", "04ed9a29-ccda-4f46-b2f3-b151d2d90fa7"],
			identifier: ["", "2f1c0d6e-5a0b-4c55-9f0e-3f7d6b1f5c11"],
			key: ["", "0c1d…"],
			tier: ["", "plugin"],
			createFirst: ["", true],
			hookSecret: ["", "9b2e…"],
			hookKey: ["", "5f0a…"],
			baseUrl: base("https://api.crisp.chat/v1"),
		},
		helpcrunch: { apiKey: ["", "c3f1…"], hookSecret: ["", "71ab…"], baseUrl: base("https://api.helpcrunch.com/v1") },
		vibetrace: {
			apiKey: ["", "lk12…"],
			standardEvents: ["", ["viewitem", "addtocart"]],
			baseUrl: base("https://api.vtcdn.net/v1"),
		},
	};
	const files: Record<string, string> = { vibetrace: "server/providers/vibetrace/vibetrace.ts" };
	return [
		{
			title: "The proxy",
			place: "at the top of the configuration",
			path: "",
			shape: without(root, ["sites", "rateLimit"]),
			docs: docsIn("server/config/schema.ts"),
			facts: {
				port: ["", 9000],
				host: ["", "0.0.0.0"],
				store: ["", "postgres://ferry:password@db.internal/shop"],
				adminToken: ["", "c2d4…"],
				trustProxy: ["proxies", 1],
				maxStoreBytes: ["bytes", "512M"],
				logLevel: ["", "warn"],
				sandbox: ["", false],
			},
		},
		{
			title: "Limits",
			place: "in `rateLimit`",
			shape: shapeIn(root.rateLimit),
			docs: docsIn("server/config/schema.ts"),
			facts: {
				perAddress: ["requests a minute", 1200],
				perWriteKey: ["requests a minute", 60_000],
				bytesPerAddress: ["bytes a minute", "64M"],
			},
		},
		{
			title: "A site",
			place: "in each of `sites`",
			path: "sites.0.",
			shape: without(site, [...providerNames, "inbound", "rules", "destinations"]),
			docs: docsIn("server/config/site.ts"),
			facts: {
				writeKey: ["", "site_shop"],
				origins: ["", ["https://shop.example", "https://*.shop.example"]],
				serverKey: ["", "8c41…"],
				identity: ["", "verified"],
				identitySecrets: ["", ["77d0…", "0a9b…"]],
				attributes: ["", ["name", "plan"]],
			},
		},
		{
			title: "Every destination",
			place:
				"in `crisp`, `helpcrunch` and `vibetrace` of a site; all but `createPeople` and `occurredAt` in each of `destinations` too",
			shape: Object.fromEntries(Object.entries(shapeIn(site.vibetrace)).filter(([name]) => name in account)),
			docs: deliveryDocs,
			facts: account,
		},
		...providerNames.map((name) => ({
			title: definitions[name].title,
			place: `in \`${name}\` of a site`,
			path: `sites.0.${name}.`,
			shape: definitions[name].options as Shape,
			docs: docsIn(files[name] ?? `server/providers/${name}/options.ts`),
			facts: own[name] ?? {},
		})),
		{
			title: "A rule",
			place: "in `rules` of a site; [rules](rules.md) explains them",
			shape: shapeIn(site.rules),
			docs: docsIn("server/config/rule.ts"),
			facts: {
				event: ["", "basket:*"],
				to: ["", ["crisp"]],
				via: ["", "segment"],
				send: ["", true],
				name: ["", "Order placed"],
				as: ["", "confirmation"],
				pick: ["", { orderId: "order.id" }],
				color: ["", "green"],
				expires: ["s, m, h or d", "2h"],
				digest: ["", true],
				rank: ["", "confirmation"],
			},
		},
		{
			title: "A report",
			place: "in `inbound` of a site; [providers](providers.md#what-providers-report) explains them",
			shape: shapeIn(site.inbound),
			docs: docsIn("server/config/site.ts"),
			facts: {
				from: ["", "crisp"],
				event: ["", "email:track:view"],
				as: ["", "email_open"],
				name: ["", "Opened"],
			},
		},
		{
			title: "A destination of your own",
			place: "in each of `destinations` of a site, by its name; [destinations](destinations.md) explains them",
			path: "sites.0.destinations.webhook.",
			shape: without(
				shapeIn(site.destinations),
				Object.keys(delivery).filter((name) => name !== "budget"),
			),
			docs: docsIn("server/destinations/destination.ts"),
			facts: {
				url: ["", "https://warehouse.example/in"],
				secret: ["", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
				allowPrivate: ["", true],
				send: ["", "a function"],
				plan: ["", "a function"],
				probe: ["", "a function"],
				remove: ["", "a function"],
				batch: ["events", 20],
				budget: ["requests", { requests: 50, per: "minute" }],
			},
		},
	];
}

const code = (value: unknown) => `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;
const cell = (text: string) => text.replaceAll("|", "\\|");

/** The default of an option: `required`, the words of its doc comment, or the value in its schema. */
function defaultOf(schema: z.core.$ZodType, doc: string): string {
	const result = (schema as z.ZodType).safeParse(undefined);
	if (!result.success) return "required";
	const [, words = "none"] = /\b[Dd]efault:? ((?:`[^`]*`|[^.;:`]|\.\d)+)/.exec(doc) ?? [];
	return result.data === undefined || /^`[^`]*`$/.test(words) ? words : code(result.data);
}

const variableOf = (path: string) => variables.find((each) => each.path === path)?.name;

function row(section: Section, name: string, schema: z.core.$ZodType): string {
	const doc = section.docs[name];
	const facts = section.facts[name];
	if (!doc) throw new Error(`${section.title}: ${name} has no doc comment`);
	if (!facts) throw new Error(`${section.title}: ${name} has no example in test/docs/configuration.ts`);
	const [unit, example] = facts;
	// A budget and events have a variable of their own in each account.
	const names =
		section.path === undefined
			? providerNames.flatMap((provider) => variableOf(`sites.0.${provider}.${name}`) ?? [])
			: [variableOf(`${section.path}${name}`) ?? []].flat();
	const key = [name, ...names].map(code).join("<br>");
	const given = [defaultOf(schema, doc), unit && `in ${unit}`, `such as ${cell(code(example))}`].filter(Boolean);
	return `| ${key} | ${cell(doc)} | ${given.join("<br>")} |
`;
}

function table(section: Section): string {
	const rows = Object.entries(section.shape).map(([name, schema]) => row(section, name, schema));
	const surplus = Object.keys(section.facts).filter((name) => !(name in section.shape));
	if (surplus.length > 0) throw new Error(`${section.title} has no ${surplus}`);
	return `## ${section.title}\n\n${section.place[0]?.toUpperCase()}${section.place.slice(1)}.\n\n| option, variable | means | default, unit, example |\n|---|---|---|\n${rows.join("")}`;
}

/** A configuration that consists of all examples, to be checked by the schema. */
export function exampleConfig(): unknown {
	const all = Object.fromEntries(
		sections().map(({ title, facts }) => [
			title,
			Object.fromEntries(Object.entries(facts).map(([name, [, example]]) => [name, example])),
		]),
	);
	const filled = JSON.parse(JSON.stringify(all).replaceAll("…", "0".repeat(32)));
	const { "The proxy": proxy, Limits: rateLimit, "A site": site, "Every destination": common } = filled;
	const { url, secret, allowPrivate, budget, batch } = filled["A destination of your own"];
	const deliveries = Object.fromEntries(Object.keys(delivery).map((name) => [name, common[name]]));
	const functions = { send: () => {}, probe: () => {}, remove: () => {}, batch };
	const accounts = providerNames.map((name) => [name, { ...common, ...filled[definitions[name].title] }]);
	const destinations = {
		webhook: { ...deliveries, url, secret, allowPrivate, budget },
		function: { ...deliveries, ...functions, budget },
		planned: { ...deliveries, budget, send: () => {}, plan: () => {} },
	};
	const own = { rules: [filled["A rule"]], inbound: [filled["A report"]], destinations };
	return { ...proxy, rateLimit, sites: [{ ...site, ...Object.fromEntries(accounts), ...own }] };
}

/** The text of docs/configuration.md. */
export const configurationPage = (): string => `# Configuration

<!-- Written by \`npm run docs\` from the schema and its doc comments. -->

By environment, where one site is enough, or by a file \`eventferry.config.mjs\` or \`.json\`. Code goes over the environment, the environment over the file.

- Every variable also as \`NAME_FILE\`, a file that holds the value. Lists are comma-separated.
- Every mistake is reported at once, by name, and exits with 2, as a secret that is the write key.
- What is weak but works (short or repeated secrets, origins of strangers, a database in the clear) is a warning of \`eventferry check\` and at the start.
- A destination exists as soon as its key does.
- Make secrets at random, of 32 characters or more: \`openssl rand -hex 32\`.

\`\`\`js
// eventferry.config.mjs: several sites, and what a variable cannot say
import { defineConfig } from "eventferry/server";

export default defineConfig({
  sites: [
    {
      writeKey: "site_shop",
      origins: ["https://shop.example"],
      attributes: ["name", "plan"],               // the only attributes a browser may set; default: all but segments and tags
      crisp: {
        websiteId: "…", identifier: "…", key: "…",
        events: ["login", "confirmation", "basket:*"], // types, names, names with *; default: all but page
        createPeople: "always",                     // "always" | "verified" (by your backend or a verified visitor) | "never" | ["confirmation", "basket:*"]
        occurredAt: "late",                         // "always" | "late" | "never": the capture time, in the event's data
        budget: 8000, reserve: 0.2,                 // requests a day; a fifth of them for your backend's events alone
        dayStartsAt: "00:00Z", maxWait: 604800000,  // ms: what waits longer is a dead letter
        hookSecret: "…",
      },
      inbound: [{ from: "crisp", event: "email:track:view", as: "email_open" }], // what Crisp reports, for the others
      rules: [                                    // what goes where, as what, for how long
        { event: "purchase", as: "confirmation", pick: { orderId: "order.id" } },
        { event: "basket:*", to: ["crisp"], digest: true, expires: "3d" },
      ],
    },
  ],
});
\`\`\`

${sections().map(table).join("\n")}
## The command

\`EVENTFERRY_URL\` is where commands find the running proxy; default \`http://127.0.0.1:8788\`. [Command](command.md) has the rest.
`;
