import type { Crisp } from "crisp-api";
import { isPathSegment } from "../providers/path-segment.ts";
import { CrispError } from "./error.ts";

/** A token, and the base URL of the API that it is for: https://docs.crisp.chat/guides/rest-api/authentication/ */
export interface CrispAccess {
	/** Identifier of the token, from the website's settings or from the Marketplace. */
	identifier: string;
	/** Key of the token. */
	key: string;
	/** Kind of the token; default `"website"`. */
	tier?: "website" | "plugin" | "user";
	/** Base URL of Crisp's REST API; default `https://api.crisp.chat/v1`. */
	baseUrl?: string;
}

/** Imports the official client at its first use, so that only applications that use it need to install it. */
export async function loadCrispApi(): Promise<typeof Crisp> {
	try {
		return (await import("crisp-api")).Crisp;
	} catch (cause) {
		throw new CrispError("not_installed", "createCrisp needs Crisp's own client: npm install crisp-api", { cause });
	}
}

/** Encodes a path segment, as the official client does not. Throws a TypeError for a value that cannot be one. */
function segment(part: unknown): string {
	const text = typeof part === "number" ? String(part) : part;
	if (typeof text !== "string" || !isPathSegment(text)) {
		const shown = typeof part === "string" ? JSON.stringify(part) : part === null ? "null" : typeof part;
		throw new TypeError(
			`a part of the address must be text without / \\ % ? #, but is ${shown}: are all ids given, in the right order?`,
		);
	}
	return encodeURIComponent(text);
}

/** Gives the official client the token, and makes it encode the paths of its requests. */
export function authenticated<Client extends Crisp>(client: Client, access: CrispAccess): Client {
	const { identifier, key, tier = "website", baseUrl = "https://api.crisp.chat/v1" } = access;
	client.authenticateTier(tier, identifier, key);
	client.prepareRestUrl = (paths) => `${baseUrl.replace(/\/+$/, "")}/${paths.map(segment).join("/")}`;
	return client;
}
