import * as z from "zod";
import { limits } from "../../shared/event.ts";
import { listed } from "../../shared/listed.ts";
import { asciiOrigin, isOriginPattern } from "../http/origins.ts";
import { eventType } from "../providers/event-pattern.ts";
import { text } from "../providers/options.ts";
import { canVerifyHooks, definitions, providerNames, reporterNames } from "../providers/registry.ts";
import { type Destinations, destinations, hasDestination } from "./destination.ts";
import { type OwnDestinations, ownDestinations } from "./own-destination.ts";
import { ruleSchema } from "./rule.ts";

/** Conditions under which a configuration is checked. */
export interface Circumstances {
	/** Sandbox mode, in which a site needs no origins. */
	sandbox: boolean;
	/** Whether a site must have a destination. True for environment and file, where a variable may be forgotten. */
	needsDestination: boolean;
}

/** A secret that is sent as `Authorization: Bearer …`, which cannot contain white space. */
export const bearerToken = (hint: string) =>
	text(hint).regex(/^\S+$/, "must not contain white space: it is sent as a bearer token");

const origin = z
	.string()
	.transform(asciiOrigin)
	.refine(
		isOriginPattern,
		"must be scheme://host[:port] without a path or a final slash, for example https://shop.example, or https://*.shop.example for every subdomain",
	);
const originsHint = "the origins of your pages, for example https://shop.example";

const identitySecret = text("a secret that your backend signs identities with").regex(
	/^[^,]*$/,
	"must not contain a comma: commas separate the secrets of a list",
);

const inboundRule = {
	/** Provider that reports. */
	from: z.enum(
		reporterNames,
		`must be ${listed(
			reporterNames.map((name) => `"${name}"`),
			"or",
		)}`,
	),
	/** The provider's name for the report, for example `email:track:view` or `customer.new`. */
	event: text("the provider's name for the report, for example email:track:view"),
	/** Type of the event. */
	as: eventType,
	/** Name of the event if its type is `track`; default the report's name. */
	name: text("a name for the event")
		.max(limits.nameLength, `must be at most ${limits.nameLength} characters long`)
		.optional(),
};
type InboundRuleSchema = z.ZodObject<typeof inboundRule, z.core.$strict>;
/** A rule that makes an event for the other destinations from what a provider reports by a web hook. */
export type InboundRule = z.output<InboundRuleSchema>;
const inboundRuleSchema: InboundRuleSchema = z.strictObject(inboundRule);

const siteOptions = ({ sandbox }: Circumstances) => ({
	/** Public key of the site, contained in its pages, for example `site_myshop`. */
	writeKey: text("a name for your site that goes into its pages, for example site_myshop").max(
		100,
		"must be at most 100 characters long",
	),
	/**
	 * Origins of the site's pages, for example `https://shop.example`; `https://*.shop.example` is every subdomain, not
	 * `shop.example` itself; `capacitor://localhost` and the like are apps and extensions. `"null"` takes
	 * events from sandboxed frames, those of other sites included.
	 */
	origins: sandbox
		? z.array(origin).default([])
		: z
				.array(origin, {
					error: ({ input }) => `${input === undefined ? "is missing" : "must be a list"}: ${originsHint}`,
				})
				.min(1, `is empty: ${originsHint}`),
	/** Secret with which the site's backend sends events to `POST /v1/events`, best 32 random characters or more. */
	serverKey: bearerToken("the secret your backend sends").optional(),
	/** Identity of visitors: `"open"` (default) believes the page, `"verified"` only a token signed by your backend. */
	identity: z.enum(["open", "verified"], 'must be "open" or "verified"').default("open"),
	/** Secrets with which your backend signs identities, newest first. Older ones stay valid, for rotation. */
	identitySecrets: z.array(identitySecret).optional(),
	/** Names of the attributes that a browser may set; default all that are not reserved for the backend. */
	attributes: z.array(z.string()).optional(),
	/** Rules for web hooks; default none. */
	inbound: z.array(inboundRuleSchema).default([]),
	/** Rules about what goes where, and as what. All that match an event apply, later ones first; default none. */
	rules: z.array(ruleSchema).default([]),
});

type OwnOption = {
	/** Destinations of your own, by name: functions, and addresses that get signed web hooks. */
	destinations: OwnDestinations;
};

export type SiteSchema = z.ZodObject<ReturnType<typeof siteOptions> & Destinations & OwnOption, z.core.$strict>;

/** Condition of the checks of a whole site: they run even if an option is wrong, so that all is reported at once. */
const isObject = ({ value }: { value: unknown }) => typeof value === "object" && value !== null;

const titles = listed(
	providerNames.map((name) => definitions[name].title),
	"or",
);

/** The schema of a site. */
export const siteSchema = (circumstances: Circumstances): SiteSchema =>
	z
		.strictObject({ ...siteOptions(circumstances), ...destinations, destinations: ownDestinations })
		.refine((site) => !circumstances.needsDestination || hasDestination(site), {
			path: ["destinations"],
			message: `are missing: set the credentials of ${titles}, or WEBHOOK_URL`,
			when: isObject,
		})
		.refine(({ identity, identitySecrets }) => identity !== "verified" || identitySecrets?.length, {
			path: ["identitySecrets"],
			message: 'is missing: the secret that your backend signs identities with, needed as identity is "verified"',
			when: isObject,
		})
		.superRefine(
			(site, context) => {
				if (!Array.isArray(site.inbound)) return;
				for (const [index, rule] of site.inbound.entries()) {
					const from = reporterNames.find((name) => name === rule?.from);
					if (!from || canVerifyHooks(from, site[from])) continue;
					const secrets = definitions[from].hooks?.secrets.map((secret) => `${from}.${secret}`) ?? [];
					const message = `needs ${listed(secrets, "or")}: without it, no web hook of ${definitions[from].title} can be verified`;
					context.addIssue({ code: "custom", path: ["inbound", index, "from"], message });
				}
			},
			{
				when: isObject,
			},
		);
