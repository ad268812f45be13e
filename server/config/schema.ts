import * as z from "zod";
import { eventTypes, limits } from "../../shared/event.ts";
import { trustedProxies, trustProxyHint } from "../http/client-address.ts";
import { isLoopback } from "../http/loopback.ts";
import { isOriginPattern } from "../http/origins.ts";
import { isStore } from "../outbox/store-url.ts";

const text = (hint: string) =>
	z
		.string({ error: ({ input }) => (input === undefined ? `is missing: ${hint}` : `must be text: ${hint}`) })
		.min(1, `is empty: ${hint}`)
		.max(4_096, "is longer than 4096 characters")
		.regex(/^[\x20-\x7e]*$/, "must be printable ASCII without line breaks");

/** A secret that is sent as `Authorization: Bearer …`, which has no room for white space. */
const bearerToken = (hint: string) =>
	text(hint).regex(/^\S+$/, "must have no white space: it is sent as a bearer token");

const protocolOf = (url: string) => (URL.canParse(url) ? new URL(url).protocol : "");

const baseUrl = z
	.string()
	.refine((url) => /^https?:$/.test(protocolOf(url)), "must be a URL that starts with https://")
	.refine(
		(url) => protocolOf(url) !== "http:" || isLoopback(url),
		"must start with https:// (plain http only to a loopback address)",
	)
	.refine(
		(url) => !URL.canParse(url) || /^[^?#@]*$/.test(new URL(url).href.slice(0, 2_048)),
		"must have no user, query or fragment: paths are added to it",
	)
	// As it is checked, so it is used: white space and capitals in a scheme are gone.
	.transform((url) => (URL.canParse(url) ? new URL(url).href.replace(/\/+$/, "") : url));

const origin = z
	.string()
	.refine(
		isOriginPattern,
		"must be scheme://host[:port], without a path or a slash at its end, for example https://shop.example, or https://*.shop.example for every subdomain",
	);

const identitySecret = text("a secret that your backend signs identities with").regex(
	/^[^,]*$/,
	"must have no comma: it parts the secrets of a list",
);

const trustProxy = z
	.union([z.boolean(), z.int(), z.string(), z.array(z.string())], trustProxyHint)
	.refine((value) => trustedProxies(value) !== undefined, trustProxyHint);

const perMinute = z.int("must be a whole number of requests a minute").min(1, "must be 1 or more");

/** What a provider is told of how to speak. */
const speech = {
	/** Whose first event may create a profile: anybody's (default), only your backend's and verified visitors', nobody's. */
	createPeople: z.enum(["always", "verified", "never"], 'must be "always", "verified" or "never"').default("always"),
	/** When `occurred_at` is added to an event's data: always, when delivery is over a minute late, never. */
	occurredAt: z.enum(["always", "late", "never"], 'must be "always", "late" or "never"').default("late"),
};

/** What is decided of a destination before its provider is asked. */
const delivery = {
	/** Which event types go there; default all but `page`. */
	events: z.array(z.enum(eventTypes)).optional(),
	/** Requests a day (Crisp), a minute (HelpCrunch) or a second (Vibetrace); default what the provider allows. */
	budget: z.int("must be a whole number of requests, 1 or more").min(1, "must be 1 or more").optional(),
	/** When the day of a daily budget starts; default midnight UTC. */
	dayStartsAt: z
		.string()
		.regex(/^([01]\d|2[0-3]):[0-5]\dZ$/, "must be a time of day in UTC, for example 00:00Z")
		.optional(),
	/** The part of a daily budget that is kept for trusted events, 0 to 1; default 0.2 where identity is verified or a server key is set. */
	reserve: z.number("must be a number from 0 to 1").min(0, "must be 0 or more").max(1, "must be 1 or less").optional(),
	/** ms after which what still waits is a dead letter, reason `expired`; default 7 days. */
	maxWait: z.int("must be a whole number of ms").min(1, "must be 1 or more").default(604_800_000),
};

const crisp = z.strictObject({
	...speech,
	...delivery,
	websiteId: text("your Crisp website id"),
	identifier: text("the identifier of your Crisp token"),
	key: text("the key of your Crisp token"),
	/** The kind of token, which decides the daily budget. */
	tier: z.enum(["website", "plugin"], 'must be "website" or "plugin"').default("website"),
	/** What Crisp signs a plugin's web hooks with. */
	hookSecret: text("the signing secret of your plugin's web hooks").optional(),
	/** The `?key=` of a website's web hooks, which are not signed. */
	hookKey: text("the key in the address of your website's web hooks").optional(),
	baseUrl: baseUrl.default("https://api.crisp.chat/v1"),
});

const helpcrunch = z.strictObject({
	...speech,
	...delivery,
	apiKey: text("your HelpCrunch API key"),
	/** What HelpCrunch signs its web hooks with. */
	hookSecret: text("the signing key of your web hooks").optional(),
	baseUrl: baseUrl.default("https://api.helpcrunch.com/v1"),
});

const vibetrace = z.strictObject({
	...speech,
	...delivery,
	apiKey: text("your Vibetrace API key"),
	/** Track names that Vibetrace knows as standard events and gets under their own key. */
	standardEvents: z.array(z.string()).default(["viewitem", "viewcategory", "search", "addtocart", "checkout"]),
	baseUrl: baseUrl.default("https://api.vtcdn.net/v1"),
});

/** What a provider reports, and as which of our events the others are to hear of it. */
const inboundRule = z.strictObject({
	from: z.enum(["crisp", "helpcrunch"], 'must be "crisp" or "helpcrunch"'),
	/** The report's name there, for example `email:track:view` or `customer.new`. */
	event: text("the name of what the provider reports, for example email:track:view"),
	as: z.enum(eventTypes),
	/** The name of a `track`; default the report's own. */
	name: text("a name for the event")
		.max(limits.nameLength, `is longer than ${limits.nameLength} characters`)
		.optional(),
});

const originsHint = "the origins of your pages, for example https://shop.example";

const site = ({ sandbox, needsDestination }: Circumstances) =>
	z
		.strictObject({
			/** Public: it is in the page. It names the site. */
			writeKey: text("a name for your site that goes into its pages, for example site_myshop").max(
				100,
				"is longer than 100 characters",
			),
			/** Where the site's pages live: exact scheme, host and port. */
			origins: sandbox
				? z.array(origin).default([])
				: z.array(origin, `is missing: ${originsHint}`).min(1, `is empty: ${originsHint}`),
			/** The secret of the app's backend for `POST /v1/events`. */
			serverKey: bearerToken("the secret your backend sends").optional(),
			/** Who a visitor is: whom the page names (open), or whom a token of your backend names (verified). */
			identity: z.enum(["open", "verified"], 'must be "open" or "verified"').default("open"),
			/** What your backend signs identities with, newest first: the others are still taken, so that one can be replaced. */
			identitySecrets: z.array(identitySecret).optional(),
			/** The only attributes a browser may set; default all that behave. */
			attributes: z.array(z.string()).optional(),
			crisp: crisp.optional(),
			helpcrunch: helpcrunch.optional(),
			vibetrace: vibetrace.optional(),
			/** What is made of what providers report, for the other destinations. */
			inbound: z.array(inboundRule).default([]),
		})
		.refine((site) => !needsDestination || hasDestination(site), {
			path: ["destinations"],
			message: "has none: set the credentials of Crisp, HelpCrunch or Vibetrace",
			when: isRead,
		})
		.refine(({ identity, identitySecrets }) => identity !== "verified" || identitySecrets?.length, {
			path: ["identitySecrets"],
			message: "is missing: the secret that your backend signs identities with, as identity is verified",
			when: isRead,
		})
		.refine((site) => site.inbound.every(({ from }) => hears(site, from)), {
			path: ["inbound"],
			message:
				"has a rule for a provider without a hookSecret (or, at Crisp, a hookKey): nothing that it reports is believed",
		});

/** Whether a site can be told anything by a provider: somebody must vouch for its web hooks. */
const hears = ({ crisp, helpcrunch }: { crisp?: Hooked; helpcrunch?: Hooked }, from: "crisp" | "helpcrunch") => {
	const account = from === "crisp" ? crisp : helpcrunch;
	return account?.hookSecret !== undefined || account?.hookKey !== undefined;
};
type Hooked = { hookSecret?: string | undefined; hookKey?: string | undefined } | undefined;

/** When a mistake in a whole site is told: together with the others in it, not after they are mended. */
const isRead = ({ value }: { value: unknown }) => typeof value === "object" && value !== null;

interface Circumstances {
	/** A site needs no origins. */
	sandbox: boolean;
	/** A site without a destination is a mistake: of an environment or a file, where a variable was forgotten. */
	needsDestination: boolean;
}

/** The schema of a configuration. */
export const configSchema = (circumstances: Circumstances) =>
	z
		.strictObject({
			port: z
				.int("must be a whole number from 0 to 65535")
				.min(0, "must be 0 or more")
				.max(65_535, "must be 65535 or less")
				.default(8788),
			host: text("an address to listen on").default("127.0.0.1"),
			store: z
				.string()
				.refine(
					isStore,
					"must be sqlite: and a file, for example sqlite:./eventferry.db, or a PostgreSQL database, for example postgres://user:password@host/database (%40 for an @ in the password, and so on)",
				)
				.default("sqlite:./eventferry.db"),
			/** The secret for `/admin/*`; without one those routes refuse everybody. */
			adminToken: bearerToken("a secret for /admin").optional(),
			/** The proxies in front whose `X-Forwarded-For` is believed: how many, or their addresses; default none. */
			trustProxy: trustProxy.optional(),
			/** Bytes of events, people and dead letters past which nothing more is taken (503); default no limit but the disk's. */
			maxStoreBytes: z
				.int("must be a whole number of bytes")
				.min(1_048_576, "must be 1048576 (1 MB) or more")
				.optional(),
			/** Requests a minute: of one address, default 600; of one write key, default no limit, as anybody can use it up. */
			rateLimit: z.strictObject({ perAddress: perMinute.default(600), perWriteKey: perMinute.optional() }).prefault({}),
			logLevel: z
				.enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"], {
					error: "must be fatal, error, warn, info, debug, trace or silent",
				})
				.default("info"),
			/** For trying on one's own machine: any loopback origin or none may post, and `/admin/*` needs no token on loopback. */
			sandbox: z.boolean().default(false),
			sites: z.array(site(circumstances)).min(1, "must name at least one site"),
		})
		.refine(({ sites }) => distinct(sites.map(({ writeKey }) => writeKey)), {
			path: ["sites"],
			message: "has a write key twice: it names a site",
		})
		.refine(({ sites }) => distinct(sites.flatMap(({ serverKey }) => serverKey ?? [])), {
			path: ["sites"],
			message: "has a server key twice: it tells whose backend sends",
		});

const distinct = (keys: string[]) => new Set(keys).size === keys.length;

/** The destinations there are, as a site's configuration names them. */
export const destinationNames = ["crisp", "helpcrunch", "vibetrace"] as const;

/** Whether a site's events go anywhere. */
export const hasDestination = (site: Partial<Record<(typeof destinationNames)[number], object | undefined>>): boolean =>
	destinationNames.some((name) => site[name]);

/** A configuration as people write it: defaults left out. */
export type Config = z.input<ReturnType<typeof configSchema>>;
/** A configuration that has been checked, every default filled in. */
export type CheckedConfig = z.output<ReturnType<typeof configSchema>>;
export type CheckedSite = CheckedConfig["sites"][number];
export type InboundRule = z.output<typeof inboundRule>;
/** What a provider is made from: its account and how to speak, not what is decided before it is asked. */
export type CrispConfig = Omit<z.output<typeof crisp>, keyof typeof delivery>;
export type HelpCrunchConfig = Omit<z.output<typeof helpcrunch>, keyof typeof delivery>;
export type VibetraceConfig = Omit<z.output<typeof vibetrace>, keyof typeof delivery>;
