import { hash } from "node:crypto";
import { loadWriteKeys } from "../config/config.ts";
import { readSnippet } from "../http/snippet-file.ts";
import { type Command, CommandError } from "./command.ts";
import { proxyUrl, reach } from "./operator.ts";
import { err, out, outJson } from "./print.ts";

/** Script that collects calls, each with its time, until the snippet has loaded. */
const stub =
	"<script>window.eventferry=window.eventferry||Object.assign([],{push(...c){for(const x of c){x.when=Date.now();this[this.length]=x}}})</script>";

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

/** The script that the proxy serves, or this package's own if no proxy answers. */
async function servedScript(src: string): Promise<Buffer> {
	const own = readSnippet();
	const response = await reach(src).catch((error: CommandError) => error);
	if (response instanceof Error) {
		if (!own) throw response;
		err(`eventferry: ${response.message}\neventferry: the hash is that of this version's own client.js\n`);
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

export const snippetCommand: Command = {
	name: "snippet",
	summary: "prints the script tag for your pages, with its SRI hash",
	options: ["url", "config", "json", "help"],
	help: `--url is the address at which pages reach the proxy. The hash is that of the
script served there, or of this version's own if no proxy answers. A browser
runs no script with another hash: print the tag again after each update, or
leave out its integrity attribute.

Variables, each also as NAME_FILE:
  EVENTFERRY_WRITE_KEY EVENTFERRY_URL

Examples:
  eventferry snippet --url https://shop.example/ferry
`,
	async run(given) {
		const src = `${proxyUrl(given.url)}/client.js`;
		const writeKeys = await loadWriteKeys({ file: given.config });
		if (writeKeys.length === 0)
			err("eventferry: EVENTFERRY_WRITE_KEY is not set: replace site_… in the tag with your site's write key\n");
		const integrity = `sha384-${hash("sha384", await servedScript(src), "base64")}`;
		const sites = (writeKeys.length > 0 ? writeKeys : ["site_…"]).map((writeKey) => ({
			writeKey,
			html: `${stub}\n<script async src="${escaped(src)}" integrity="${integrity}" crossorigin="anonymous" data-write-key="${escaped(writeKey)}"></script>`,
		}));
		if (given.json) outJson({ src, integrity, sites });
		else out(sites.map(({ html }) => `${html}\n`).join("\n"));
		return 0;
	},
};
