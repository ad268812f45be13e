import { randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { listed } from "../../shared/listed.ts";
import { ConfigError, checkConfig, credentialVariables, readOwn } from "../config/config.ts";
import { isLoopback } from "../http/loopback.ts";
import { readScript } from "../http/snippet-file.ts";
import { definitions, providerNames } from "../providers/registry.ts";
import { type Arguments, type Command, CommandError, environmentFile, UsageError } from "./command.ts";
import { canAsk, question } from "./consent.ts";
import { proxyUrl } from "./operator.ts";
import { err, out, outJson } from "./print.ts";
import { integrityOf, snippetTags } from "./tag.ts";

const isModule = (file: string) => file.endsWith(".mjs");

/** A site to write into a configuration, with new keys. */
interface NewSite {
	writeKey: string;
	origins: string[];
	serverKey: string;
	identitySecret: string;
	adminToken: string;
}

const titles = listed(
	providerNames.map((name) => definitions[name].title),
	"or",
);

const environmentOf = ({ writeKey, origins, serverKey, identitySecret, adminToken }: NewSite) => `\
# The name of your site, which its pages contain, and where they are.
EVENTFERRY_WRITE_KEY=${writeKey}
EVENTFERRY_ORIGINS=${origins.join(",")}

# Secrets: of your backend, for POST /v1/events; with which it signs identities; and of operators.
EVENTFERRY_SERVER_KEY=${serverKey}
EVENTFERRY_IDENTITY_SECRET=${identitySecret}
EVENTFERRY_ADMIN_TOKEN=${adminToken}

# Your keys of ${titles}. What stays empty is not used.
${providerNames
	.map((name) =>
		credentialVariables(name)
			.map((variable) => `${variable.name}=\n`)
			.join(""),
	)
	.join("")}`;

const moduleOf = ({ writeKey, origins, serverKey, identitySecret, adminToken }: NewSite) => `\
/** @type {import("eventferry/server").Config} */
export default {
	// Secret of operators, for /console and the commands.
	adminToken: ${JSON.stringify(adminToken)},
	sites: [
		{
			// The name of your site, which its pages contain, and where they are.
			writeKey: ${JSON.stringify(writeKey)},
			origins: ${JSON.stringify(origins)},
			// Secrets of your backend: for POST /v1/events, and to sign identities with.
			serverKey: ${JSON.stringify(serverKey)},
			identitySecrets: [${JSON.stringify(identitySecret)}],
			// Put your keys in, and remove the slashes before what you use.
${providerNames
	.map((name) => {
		const keys = credentialVariables(name).map(({ option }) => `${option}: ""`);
		return `			// ${name}: { ${keys.join(", ")} },\n`;
	})
	.join("")}		},
	],
};
`;

/** Parses an origin, of which a star is left out. */
const urlOf = (origin: string) => {
	const url = origin.replace("*.", "");
	return URL.canParse(url) ? new URL(url) : undefined;
};

/** Makes a write key from where the pages are: `site_shop_example`. */
function writeKeyOf(origin: string): string {
	const host = urlOf(origin)?.host.replace(/^www\./, "") || "main";
	return `site_${host.replaceAll(/[^a-z\d]+/gi, "_")}`;
}

/** Guesses where pages reach the proxy: below their own address, or on the same machine. */
function proxyFor(origin: string): string {
	const { protocol, host } = urlOf(origin) ?? {};
	return isLoopback(origin) || !/^https?:$/.test(protocol ?? "")
		? "http://127.0.0.1:8788"
		: `${protocol}//${host}/ferry`;
}

/** Makes the site, with new keys. Throws {@link ConfigError} for origins that are none. */
function newSite(origins: string[], writeKey: string | undefined): NewSite {
	const secret = () => randomBytes(32).toString("hex");
	const given = origins.map((origin) => origin.trim().replace(/\/+$/, ""));
	const all = given.map((origin) => (/^[a-z][a-z\d+.-]*:|^null$/i.test(origin) ? origin : `https://${origin}`));
	const { sites } = checkConfig({ sites: [{ writeKey: writeKey ?? writeKeyOf(all[0] ?? ""), origins: all }] });
	const [site] = sites;
	return {
		writeKey: site?.writeKey ?? "",
		origins: site?.origins ?? [],
		serverKey: secret(),
		identitySecret: secret(),
		adminToken: secret(),
	};
}

const listOf = (texts: string[]) => texts.flatMap((text) => text.split(",")).filter((text) => text.trim() !== "");

/** Asks for origins until they are right. Rejects with {@link CommandError} if nothing is answered. */
async function askSite(writeKey: string | undefined): Promise<NewSite> {
	for (;;) {
		const answer = await question("Where are your pages? Their origin, such as https://shop.example: ");
		if (answer === "") throw new CommandError("nothing was written");
		try {
			return newSite(listOf([answer]), writeKey);
		} catch (error) {
			if (!(error instanceof ConfigError)) throw error;
			for (const { message } of error.mistakes) err(`It ${message.replace(/^entry \d+ /, "")}\n`);
		}
	}
}

async function readSite(given: Arguments): Promise<NewSite> {
	const writeKey = given["write-key"];
	if (writeKey !== undefined && !/^[\w.-]{1,100}$/.test(writeKey))
		throw new UsageError("--write-key must be a name of letters, digits, _, - and ., for example site_shop");
	const origins = listOf(given.origin ?? []);
	if (origins.length > 0) return newSite(origins, writeKey);
	if (given.origin || !canAsk(given)) {
		throw new UsageError(
			"init needs the origin of your pages where it cannot ask for it: eventferry init --origin https://shop.example",
		);
	}
	return askSite(writeKey);
}

/** Asks with a default, which an empty answer means, until `check` takes the answer. `check` throws for a wrong one. */
async function ask(asked: string, otherwise: string, check: (answer: string) => string): Promise<string> {
	for (;;) {
		const answer = await question(`${asked} [${otherwise}]: `);
		if (answer === "") return check(otherwise);
		try {
			return check(answer);
		} catch (error) {
			if (!(error instanceof UsageError || error instanceof CommandError)) throw error;
			err(`${error.message.replace(/^--\w+/, "It")}\n`);
		}
	}
}

function checkFile(file: string): string {
	if (!/[^/\\]$/.test(file) || /\.(json|[cm]?ts|c?js)$/.test(file))
		throw new UsageError(
			`--file must end with .mjs, for a configuration, or be a file of variables: ${environmentFile}`,
		);
	if (existsSync(file))
		throw new CommandError(`${file} exists, and is not overwritten: choose another one with --file`);
	return file;
}

/** Takes no word that answers yes or no for the name of a file. */
function checkAnswer(file: string): string {
	if (/^(y|yes|no?)$/i.test(file)) throw new UsageError("--file must be the name of a file");
	return checkFile(file);
}

function write(file: string, text: string): void {
	try {
		writeFileSync(file, text, { flag: "wx", mode: 0o600 });
	} catch (cause) {
		const why = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
		throw new CommandError(`${file} cannot be written: ${why}`, { cause });
	}
}

/** Lists what to do next, in order. */
function stepsAfter(file: string, url: string): string[] {
	const config = isModule(file) && file !== "eventferry.config.mjs" ? ` --config ${file}` : "";
	const read = `set -a; . ${/^[./]/.test(file) ? file : `./${file}`}; set +a`;
	const port = "http://127.0.0.1:8788";
	return [
		`put your keys of ${titles} into ${file}`,
		...(isModule(file) ? [] : [read]),
		`npx eventferry check --live${config}`,
		`npx eventferry serve${config}`,
		...(isLoopback(url) ? [] : [`let your web server pass ${url}/ on to ${port}/, and set EVENTFERRY_TRUST_PROXY=1`]),
		`in another shell${isModule(file) ? "" : ", after step 2"}: npx eventferry check --live --wait${config}; open a page`,
	];
}

export const initCommand: Command = {
	name: "init",
	summary: "writes a configuration with new keys, and says what to do next",
	options: ["origin", "write-key", "url", "file", "yes", "json", "help"],
	help: `At a terminal it asks for what is not given. Else it needs --origin, and asks
nothing. Writes a file of variables, which shells, systemd and Docker read, or
a configuration if its name ends with .mjs. Only its owner may read it; a file
that exists is not overwritten. Prints the tag for your pages: --url is where
they reach the proxy, by default /ferry at their first origin.

Variables, each also as NAME_FILE:
  EVENTFERRY_URL

Examples:
  eventferry init
  eventferry init --origin https://shop.example --url https://shop.example/ferry
  eventferry init --origin https://shop.example --file eventferry.config.mjs
`,
	async run(given) {
		const known = given.file ?? (canAsk(given) ? undefined : environmentFile);
		if (known !== undefined) checkFile(known);
		const site = await readSite(given);
		const { writeKey, origins } = site;
		const guess = readOwn("EVENTFERRY_URL") ?? proxyFor(origins[0] ?? "");
		const mayAsk = canAsk(given);
		const url =
			given.url === undefined && mayAsk
				? await ask("Where do they reach the proxy?", guess, proxyUrl)
				: proxyUrl(given.url ?? guess);
		const askedFile = "Which file? eventferry.env has variables, eventferry.config.mjs a configuration";
		const file = known ?? (await ask(askedFile, environmentFile, checkAnswer));
		const script = readScript("client.js");
		if (!script) throw new CommandError("client.js has not been built: run npm run build");
		write(file, isModule(file) ? moduleOf(site) : environmentOf(site));
		const html = snippetTags({ src: `${url}/client.js`, integrity: integrityOf(script) }, writeKey);
		const next = stepsAfter(file, url);
		if (given.json) outJson({ ok: true, file, writeKey, origins, url, html, next });
		else {
			out(`${file} has your site and new keys. Only you may read it; keep it out of version control.\n\n`);
			out(`The tag for your pages, of ${writeKey}:\n\n${html}\n\nNext:\n`);
			for (const [index, step] of next.entries()) out(`  ${index + 1}. ${step}\n`);
		}
		return 0;
	},
};
