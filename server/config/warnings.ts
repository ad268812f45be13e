import { trustsStrangers } from "../http/client-address.ts";
import { isLoopback } from "../http/loopback.ts";
import { opaqueOrigin } from "../http/origins.ts";
import { sqliteFile } from "../outbox/store-url.ts";
import { hasDestination } from "./destination.ts";
import type { CheckedConfig } from "./schema.ts";
import { isCredential, isOneAccount, type Secret, secretsIn } from "./secrets.ts";
import { isSharedDomain } from "./shared-domain.ts";
import { nameOf } from "./variables.ts";

/** HS256 needs a key at least as long as its hash: https://www.rfc-editor.org/rfc/rfc7518#section-3.2 */
const secretLength = 32;

const remedy = "Make one with: openssl rand -hex 32";
const all = new Intl.ListFormat("en-GB", { type: "conjunction" });

/** Names the options that have the same secret, once for each such secret. */
function shared(secrets: Secret[], named: (path: string) => string): string[] {
	const groups = Map.groupBy(secrets, ({ value }) => value).values();
	return [...groups].flatMap((group) => {
		const same = group.filter((each) => group.some((other) => other !== each && !isOneAccount(each, other)));
		if (same.length === 0) return [];
		const names = [...new Set(same.map(({ path }) => named(path)))];
		return names.length === 1
			? `${names[0]} has the same secret twice`
			: `${all.format(names)} are the same secret: whoever knows one has the others. ${remedy}`;
	});
}

/**
 * Whether a database is on another machine and reached without TLS, by its URL or else `sslMode`, as pg reads them:
 * https://node-postgres.com/features/ssl
 */
function isInClear(store: string, sslMode: string | undefined): boolean {
	if (sqliteFile(store) !== undefined) return false;
	const { hostname, searchParams } = new URL(store);
	const host = searchParams.get("host") || hostname;
	const isLocal = host === "" || /^(\/|%2f)/i.test(host) || isLoopback(`http://${host}`) || host === "::1";
	if (isLocal) return false;
	const { ssl, sslmode, sslcert, sslkey, sslrootcert, sslnegotiation } = Object.fromEntries(searchParams);
	if (sslmode || sslcert || sslkey || sslrootcert) return sslmode === "disable";
	if (ssl) return ssl === "0" || ssl === "false";
	return sslnegotiation !== "direct" && (sslMode === undefined || sslMode === "disable");
}

/**
 * Warnings about a valid configuration, one line each. They contain no secret.
 * @param sslMode The environment's `PGSSLMODE`.
 */
export function findWarnings(config: CheckedConfig, sslMode: string | undefined): string[] {
	const { sites, store, trustProxy } = config;
	const named = (path: string) => nameOf(path, sites.length);
	const secrets = secretsIn(config);
	const short = secrets.filter((secret) => secret.value.length < secretLength && !isCredential(secret));
	const found = [...new Set(short.map(({ path }) => named(path)))].map(
		(name) => `${name} has fewer than ${secretLength} characters, and could be guessed. ${remedy}`,
	);
	found.push(...shared(secrets, named));
	if (trustProxy !== undefined && trustsStrangers(trustProxy)) {
		found.push(`${named("trustProxy")} names large parts of the internet: whoever is there can choose an address`);
	}
	if (isInClear(store, sslMode)) {
		found.push(
			`${named("store")} is on another machine and used without TLS: events and the password can be read on the way. Add sslmode=verify-full`,
		);
	}
	for (const [index, site] of sites.entries()) {
		if (!hasDestination(site)) {
			found.push(`${named(`sites.${index}.destinations`)} are missing: events are accepted, but delivered nowhere`);
		}
		for (const origin of site.origins) {
			if (origin === opaqueOrigin) {
				found.push(
					`${named(`sites.${index}.origins`)} allows null: any site can send events from a sandboxed frame. Give your frame an origin`,
				);
			}
			const [, domain = ""] = /\*\.([^:]*)/.exec(origin) ?? [];
			if (isSharedDomain(domain)) {
				found.push(
					`${named(`sites.${index}.origins`)} allows ${origin}: anybody can have a site below ${domain}. Name your own origins`,
				);
			}
		}
	}
	return found;
}
