import type { Crisp } from "crisp-api";
import { CrispError } from "./error.ts";

/** Who asks, and where. */
export interface CrispCredentials {
	/** Of a token: a website's from its settings, a plugin's from the Marketplace. */
	identifier: string;
	key: string;
	/** The kind of token. Default "website". */
	tier?: "website" | "plugin" | "user";
	/** Default `https://api.crisp.chat/v1`. */
	baseUrl?: string;
}

const documentedUrl = "https://api.crisp.chat/v1";

/** The official client, imported when it is first needed: an application that does not use it need not have it. */
export async function loadCrispApi(): Promise<typeof Crisp> {
	try {
		return (await import("crisp-api")).Crisp;
	} catch (cause) {
		throw new CrispError("not_installed", "createCrisp needs Crisp's own client: npm install crisp-api", { cause });
	}
}

/** One part of a URL's path, which cannot become anything else: the official client joins them as they are. */
function segment(part: unknown): string {
	const text = typeof part === "number" ? String(part) : part;
	if (typeof text !== "string" || text === "" || text === "." || text === ".." || !text.isWellFormed()) {
		const what = typeof part === "string" ? JSON.stringify(part) : part === null ? "null" : typeof part;
		throw new TypeError(`a part of the address must be text, and is ${what}: are all ids given, in their order?`);
	}
	return encodeURIComponent(text);
}

/** Has the official client sign as we are, and build addresses that are what they look like. */
export function prepare<Client extends Crisp>(
	client: Client,
	{ identifier, key, tier, baseUrl }: CrispCredentials,
): Client {
	client.authenticateTier(tier ?? "website", identifier, key);
	client.prepareRestUrl = (paths) =>
		`${(baseUrl ?? documentedUrl).replace(/\/+$/, "")}/${paths.map(segment).join("/")}`;
	return client;
}
