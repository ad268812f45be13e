import * as z from "zod";
import { trustedProxies, trustProxyHint } from "../http/client-address.ts";
import { isStore } from "../outbox/store-url.ts";
import { isRecord } from "../providers/json.ts";
import { text } from "../providers/options.ts";
import type { InputOf } from "./input-of.ts";
import { secretsIn } from "./secrets.ts";
import { bearerToken, type Circumstances, siteSchema } from "./site.ts";
import { size } from "./size.ts";

const trustProxy = z
	.union([z.boolean(), z.int(), z.string(), z.array(z.string())], trustProxyHint)
	.refine((value) => trustedProxies(value) !== undefined, trustProxyHint);

const perMinute = z.int("must be a whole number of requests a minute").min(1, "must be 1 or more");

const rateLimit = {
	/** Requests a minute from one address; default 600. */
	perAddress: perMinute.default(600),
	/** Requests a minute with one write key; default no limit: the key is public, so anybody could use up a limit. */
	perWriteKey: perMinute.optional(),
	/** Bytes of events a minute of one address, uncompressed: a number, or text such as `512k`; default `32M`. */
	bytesPerAddress: size(1, "must be 1 or more").default(33_554_432),
};
type RateLimitSchema = z.ZodObject<typeof rateLimit, z.core.$strict>;
const rateLimitSchema: RateLimitSchema = z.strictObject(rateLimit);

/** Schema of the store's URL. */
export const storeSchema = z
	.string()
	.refine(
		isStore,
		"must be sqlite: and a file, for example sqlite:./eventferry.db, or the URL of a PostgreSQL database, for example postgres://user:password@host/database (percent-encoded: %40 for an @ in the password)",
	)
	.default("sqlite:./eventferry.db");

const options = (circumstances: Circumstances) => ({
	/** Port to listen on; default 8788. */
	port: z
		.int("must be a whole number from 0 to 65535")
		.min(0, "must be 0 or more")
		.max(65_535, "must be 65535 or less")
		.default(8788),
	/** Address to listen on; default `127.0.0.1`. */
	host: text("an address to listen on").default("127.0.0.1"),
	/** Store of accepted events: `sqlite:` and a file, or the URL of a PostgreSQL database; default `sqlite:./eventferry.db`. */
	store: storeSchema,
	/** Secret for `/admin/*`. Without it these routes refuse every request. */
	adminToken: bearerToken("a secret for /admin").optional(),
	/** Proxies in front whose `X-Forwarded-For` is believed: their number, or their addresses; default none. */
	trustProxy: trustProxy.optional(),
	/**
	 * Bytes that events, people and dead letters may take: a number, or text such as `512M`; default `4G`. Beyond, events
	 * are answered 503. The last fifth is for the backend, verified visitors and web hooks.
	 */
	maxStoreBytes: size(1_048_576, "must be 1048576 (1 MB) or more").default(4_294_967_296),
	/** Limits of requests and bytes a minute. */
	rateLimit: rateLimitSchema.prefault({}),
	/** Lowest level that is logged; default `info`. */
	logLevel: z
		.enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"], {
			error: "must be fatal, error, warn, info, debug, trace or silent",
		})
		.default("info"),
	/**
	 * Sandbox mode, for trials on one's own machine: requests from a loopback origin or without an origin may post
	 * events, and requests from this machine to `/admin/*` need no token. Default false.
	 */
	sandbox: z.boolean().default(false),
	/** Sites that the proxy serves. */
	sites: z.array(siteSchema(circumstances)).min(1, "must name at least one site"),
});

/** Condition of the check of keys: it runs even if other options are wrong, so that all is reported at once. */
const hasSites = ({ value }: { value: unknown }) =>
	isRecord(value) && Array.isArray(value.sites) && value.sites.every(isRecord);

function checkKeys(
	config: { sites: { writeKey?: string; serverKey?: string | undefined }[] },
	context: z.RefinementCtx,
) {
	const write = config.sites.flatMap(({ writeKey }) => writeKey ?? []);
	const server = config.sites.flatMap(({ serverKey }) => serverKey ?? []);
	for (const [kind, keys] of Object.entries({ write, server })) {
		const message = `must each have a ${kind} key of their own: two have the same`;
		if (new Set(keys).size < keys.length) context.addIssue({ code: "custom", path: ["sites"], message });
	}
	for (const { path, value } of secretsIn(config)) {
		const message = "must not be a write key, which everybody can read in your pages: make a secret at random";
		// Guard (SECURITY.md): public-secret
		if (write.includes(value)) context.addIssue({ code: "custom", path: path.split("."), message });
	}
}

/** The schema of a configuration. */
export const configSchema = (circumstances: Circumstances): z.ZodObject<ReturnType<typeof options>, z.core.$strict> =>
	z
		.strictObject(options(circumstances))
		.superRefine((config, context) => checkKeys(config, context), { when: hasSites });

/** A configuration as people write it: options with a default may be left out. */
export type Config = InputOf<ReturnType<typeof configSchema>>;
/** A checked configuration: options that were left out have their default. */
export type CheckedConfig = z.output<ReturnType<typeof configSchema>>;
export type CheckedSite = CheckedConfig["sites"][number];
