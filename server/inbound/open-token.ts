import * as z from "zod";
import { eventSchema } from "../../shared/event.ts";
import type { IngestSite } from "../ingest/ingest.ts";
import { loadJose, nameOfSecret, signToken, tokenReader } from "../ingest/token.ts";

const audience = "eventferry:open";
/** Default validity of a token. It is long, as e-mails are often opened late. */
const lifeDefault = "90 days";
/** Maximum length of a token, in UTF-16 units. A longer one is not verified. */
const tokenLength = 4_096;

const { name, person } = eventSchema.options[0].shape;
const openSchema = z.object({ email: person.shape.email.unwrap(), campaign: name.optional() });
const claimsSchema = openSchema.extend({
	site: z.string().optional(),
	exp: z.number().optional(),
	nbf: z.number().optional(),
});

/** Recipient of an e-mail, and the campaign that it belongs to. */
export type SignedOpen = z.input<typeof openSchema>;

export interface OpenUrlOptions {
	/** The proxy's `EVENTFERRY_IDENTITY_SECRET`. If it lists several secrets, separated by commas, the first one signs. */
	secret: string;
	/** URL at which the proxy is mounted: `https://shop.example/ferry`. */
	base: string;
	/** Write key of the site. Needed if several sites have the same secret: without it no open is recorded. */
	writeKey?: string;
	/** Validity in seconds, or as a time span such as "7 days". Later opens are not recorded. Default 90 days. */
	expiresIn?: number | string;
}

/**
 * Signs the address of an image for an e-mail: `<img src="…" width="1" height="1" alt="">`. Loading the image records
 * an `email_open` of the recipient, at most one in 20 minutes. The e-mail address in it is signed, not encrypted. Rejects
 * with a TypeError if an argument is not valid.
 */
export async function signOpenUrl(
	open: SignedOpen,
	{ secret, base, writeKey, expiresIn = lifeDefault }: OpenUrlOptions,
): Promise<string> {
	const { success, data, error } = openSchema.safeParse(open);
	if (!success) {
		const [issue] = error.issues;
		throw new TypeError(`${issue?.path.join(".") || "open"}: ${issue?.message}`);
	}
	if (!/^https?:$/.test(URL.canParse(base) ? new URL(base).protocol : ""))
		throw new TypeError("base: must be the URL at which the proxy is mounted, for example https://shop.example/ferry");
	const claims = { ...data, ...(writeKey !== undefined && { site: writeKey }) };
	const token = await signToken(claims, { secret, audience, expiresIn, namesSecret: true });
	return `${base.replace(/\/+$/, "")}/v1/open.gif?t=${token}`;
}

/**
 * Returns a function that verifies a token and reads recipient, campaign and site. The function resolves to undefined if
 * the token is not valid now, or does not say which of several sites it is of.
 */
export function openReader(
	sites: readonly IngestSite[],
	now: () => number,
): (token: string) => Promise<(z.output<typeof openSchema> & { site: IngestSite }) | undefined> {
	const signing = sites.filter(({ identitySecrets = [] }) => identitySecrets.length > 0);
	const readers = new Map(signing.map((site) => [site, tokenReader(site.identitySecrets ?? [], audience)]));
	const byName = Map.groupBy(
		signing.flatMap((site) => (site.identitySecrets ?? []).map((secret) => ({ site, name: nameOfSecret(secret) }))),
		({ name }) => name,
	);

	/** Finds the site that a token must be of, by what it says before it is verified: its site, else its secret. */
	async function siteOf(token: string): Promise<IngestSite | undefined> {
		const { decodeJwt, decodeProtectedHeader } = await loadJose();
		try {
			const { site: writeKey } = decodeJwt(token);
			const { kid } = decodeProtectedHeader(token);
			if (writeKey !== undefined) return signing.find((site) => site.writeKey === writeKey);
			const [site, another] = kid === undefined ? signing : (byName.get(kid) ?? []).map((each) => each.site);
			// Several sites have the secret, and the token names none of them.
			return another ? undefined : site;
		} catch {
			return undefined;
		}
	}

	return async (token) => {
		const site = token.length > tokenLength ? undefined : await siteOf(token);
		const { success, data: open } = claimsSchema.safeParse(site && (await readers.get(site)?.(token)));
		if (!site || !success) return undefined;
		const { email, campaign, exp = Number.POSITIVE_INFINITY, nbf = 0 } = open;
		const seconds = now() / 1_000;
		return nbf <= seconds && seconds < exp ? { site, email, campaign } : undefined;
	};
}
