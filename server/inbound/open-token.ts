import * as z from "zod";
import { eventSchema } from "../../shared/event.ts";
import { signToken, tokenReader } from "../ingest/token.ts";

const audience = "eventferry:open";
/** E-mails are opened late, but not for ever. */
const lifeDefault = "90 days";
/** UTF-16 units of a token that is looked at. */
const tokenLength = 4_096;

const { name, person } = eventSchema.options[0].shape;
const openSchema = z.object({ email: person.shape.email.unwrap(), campaign: name.optional() });
const claimsSchema = openSchema.extend({
	site: z.string().optional(),
	exp: z.number().optional(),
	nbf: z.number().optional(),
});

/** Whose e-mail it is, and which. */
export type SignedOpen = z.input<typeof openSchema>;

export interface OpenUrlOptions {
	/** What the proxy has as `EVENTFERRY_IDENTITY_SECRET`; of several, with commas between them, the first signs. */
	secret: string;
	/** Where the proxy is mounted: `https://shop.example/ferry`. */
	base: string;
	/** The site's, where several sites have the same secret: without it such an address counts for none of them. */
	writeKey?: string;
	/** Seconds, or a time span as in "7 days": what is opened later is not recorded. Default 90 days. */
	expiresIn?: number | string;
}

/**
 * Signs the address of an image for an e-mail: `<img src="…" width="1" height="1" alt="">`. When the image is loaded
 * an `email_open` of that person is recorded, one in 20 minutes at most. Whoever has the address can read the e-mail
 * address in it. Rejects with a TypeError where something of it cannot be.
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
		throw new TypeError("base: must be the URL where the proxy is, for example https://shop.example/ferry");
	const claims = { ...data, ...(writeKey !== undefined && { site: writeKey }) };
	const token = await signToken(claims, { secret, audience, expiresIn });
	return `${base.replace(/\/+$/, "")}/v1/open.gif?t=${token}`;
}

/** A site whose e-mails can be told from others'. */
interface SigningSite {
	writeKey: string;
	identitySecrets?: string[] | undefined;
}

/** Reads whose e-mail was opened, and at which site; resolves to undefined for what none of them has signed, or that has expired. */
export function openReader<Site extends SigningSite>(
	sites: readonly Site[],
	now: () => number,
): (token: string) => Promise<{ site: Site; email: string; campaign?: string | undefined } | undefined> {
	const readers = sites.map((site) => ({ site, read: tokenReader(site.identitySecrets ?? [], audience) }));

	return async (token) => {
		if (token.length > tokenLength) return undefined;
		const all = await Promise.all(readers.map(async ({ site, read }) => ({ site, claims: await read(token) })));
		const signed = all.flatMap(({ site, claims }) => {
			const { success, data } = claimsSchema.safeParse(claims);
			return success && (data.site ?? site.writeKey) === site.writeKey ? [{ ...data, site }] : [];
		});
		const [open, another] = signed;
		// Two sites with one secret, and nothing that tells which is meant.
		if (!open || another) return undefined;
		const { site, email, campaign, exp = Number.POSITIVE_INFINITY, nbf = 0 } = open;
		const seconds = now() / 1_000;
		return nbf <= seconds && seconds < exp ? { site, email, campaign } : undefined;
	};
}
