import { loadWriteKeys } from "../config/config.ts";
import { readScript, type ScriptName } from "../http/snippet-file.ts";
import { providerNames } from "../providers/registry.ts";
import { type Command, CommandError } from "./command.ts";
import { proxyUrl, reach } from "./operator.ts";
import { err, out, outJson } from "./print.ts";
import { integrityOf, type Script, snippetTags, tagOf } from "./tag.ts";

/** Trackers whose calls the page may have: the providers' own scripts, and two that pages use for everything. */
const adopted = [...providerNames, "ga4", "segment"].join(" ");

/** The script that the proxy serves, or this package's own if no proxy answers. */
async function servedScript(src: string, name: ScriptName): Promise<Buffer> {
	const own = readScript(name);
	const response = await reach(src).catch((error: CommandError) => error);
	if (response instanceof Error) {
		if (!own) throw response;
		err(`eventferry: ${response.message}\neventferry: the hash is that of this version's own ${name}\n`);
		return own;
	}
	if (!response.ok || !/javascript/.test(response.headers.get("content-type") ?? "")) {
		throw new CommandError(`${src} is not the script (${response.status}): is the proxy mounted there?`);
	}
	const served = Buffer.from(await response.arrayBuffer());
	if (own && !served.equals(own))
		err("eventferry: the proxy serves another version of the script; the hash is of that version\n");
	return served;
}

async function scriptAt(url: string, name: ScriptName): Promise<Script> {
	const src = `${url}/${name}`;
	return { src, integrity: integrityOf(await servedScript(src, name)) };
}

export const snippetCommand: Command = {
	name: "snippet",
	summary: "prints the script tag for your pages, with its SRI hash",
	options: ["url", "config", "adopt", "json", "help"],
	help: `--url is the address at which pages reach the proxy. The hash is that of the
script served there, or of this version's own if no proxy answers. A browser
runs no script with another hash: print the tag again after each update, or
leave out its integrity attribute. --adopt adds a tag for pages that call other
trackers already: leave those in its data-adopt that you use.

Variables, each also as NAME_FILE:
  EVENTFERRY_WRITE_KEY EVENTFERRY_URL

Examples:
  eventferry snippet --url https://shop.example/ferry
  eventferry snippet --adopt --url https://shop.example/ferry
`,
	async run(given) {
		const url = proxyUrl(given.url);
		const writeKeys = await loadWriteKeys({ file: given.config });
		if (writeKeys.length === 0)
			err("eventferry: EVENTFERRY_WRITE_KEY is not set: replace site_… in the tag with your site's write key\n");
		const script = await scriptAt(url, "client.js");
		const adopt = given.adopt && (await scriptAt(url, "adopt.js"));
		const lastTag = adopt ? `\n${tagOf(adopt, ["data-adopt", adopted])}` : "";
		const sites = (writeKeys.length > 0 ? writeKeys : ["site_…"]).map((writeKey) => ({
			writeKey,
			html: snippetTags(script, writeKey) + lastTag,
		}));
		if (given.json) outJson({ ...script, sites });
		else out(sites.map(({ html }) => `${html}\n`).join("\n"));
		return 0;
	},
};
