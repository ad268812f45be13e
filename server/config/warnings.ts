import { listed } from "../../shared/listed.ts";
import { trustsStrangers } from "../http/client-address.ts";
import { isLoopback } from "../http/loopback.ts";
import { opaqueOrigin } from "../http/origins.ts";
import { tlsOf } from "../outbox/postgres/tls.ts";
import { sqliteFile } from "../outbox/store-url.ts";
import { definitions, providerNames } from "../providers/registry.ts";
import { hasDestination } from "./destination.ts";
import type { CheckedConfig } from "./schema.ts";
import { isCredential, isOneAccount, type Secret, secretsIn } from "./secrets.ts";
import { isSharedDomain } from "./shared-domain.ts";
import { nameOf } from "./variables.ts";

/** HS256 needs a key at least as long as its hash: https://www.rfc-editor.org/rfc/rfc7518#section-3.2 */
const secretLength = 32;

const remedy = "Make one with: openssl rand -hex 32";

/** Names the options that have the same secret, once for each such secret. */
function shared(secrets: Secret[], named: (path: string) => string): string[] {
	const groups = Map.groupBy(secrets, ({ value }) => value).values();
	return [...groups].flatMap((group) => {
		const same = group.filter((each) => group.some((other) => other !== each && !isOneAccount(each, other)));
		if (same.length === 0) return [];
		const names = [...new Set(same.map(({ path }) => named(path)))];
		return names.length === 1
			? `${names[0]} has the same secret twice`
			: `${listed(names, "and")} are the same secret: whoever knows one has the others. ${remedy}`;
	});
}

/** Modes of TLS that accept any certificate; `require` too, unless a file of authorities is named. */
const unverifying = ["no-verify", "allow", "prefer"];

/**
 * Protection of the way to a database on another machine; undefined if it needs none or has TLS with a verified
 * certificate: https://www.postgresql.org/docs/current/libpq-ssl.html
 */
function weakTls(store: string): "none" | "unverified" | undefined {
	if (sqliteFile(store) !== undefined) return undefined;
	const { hostname, searchParams } = new URL(store);
	const host = searchParams.get("host") || hostname;
	const isLocal = host === "" || /^(\/|%2f)/i.test(host) || isLoopback(`http://${host}`) || host === "::1";
	if (isLocal) return undefined;
	const isLax = (mode: string, authorities: string | undefined) =>
		unverifying.includes(mode) || (mode === "require" && !authorities) ? "unverified" : undefined;
	const { mode, authorities } = tlsOf(searchParams);
	if (mode) return mode === "disable" ? "none" : isLax(mode, authorities);
	// Settings of pg's own: https://node-postgres.com/features/ssl
	const { ssl, sslmode, sslcert, sslkey, sslrootcert, sslnegotiation, uselibpqcompat } =
		Object.fromEntries(searchParams);
	if (sslmode === "disable") return "none";
	if (sslmode && uselibpqcompat === "true") return isLax(sslmode, sslrootcert);
	if (sslmode || sslcert || sslkey || sslrootcert) return isLax(sslmode ?? "", "");
	if (ssl) return ssl === "0" || ssl === "false" ? "none" : isLax(ssl, "");
	return sslnegotiation === "direct" ? undefined : "none";
}

/** Whether a secret repeats a part of itself, or its characters mostly follow each other, as in `aaa` or `123`. */
function isPattern(secret: string): boolean {
	const { length } = secret;
	for (let period = 1; period <= length / 2; period += 1) {
		// A text that repeats its first part is the same, but for its end, one part further on.
		if (secret.startsWith(secret.slice(period))) return true;
	}
	const codes = [...secret].map((character) => character.codePointAt(0) ?? 0);
	const followers = codes.filter((code, place) => Math.abs(code - (codes[place - 1] ?? Number.NaN)) <= 1);
	return followers.length > length * (3 / 4);
}

/** Warnings about a valid configuration, one line each. They contain no secret. */
export function findWarnings(config: CheckedConfig): string[] {
	const { sites, store, trustProxy } = config;
	const named = (path: string) => nameOf(path, sites.length);
	const secrets = secretsIn(config);
	const own = secrets.filter((secret) => !isCredential(secret));
	const short = own.filter(({ value }) => value.length < secretLength);
	const patterned = own.filter(({ value }) => value.length >= secretLength && isPattern(value));
	const namesOf = (some: Secret[]) => [...new Set(some.map(({ path }) => named(path)))];
	const found = [
		...namesOf(short).map(
			(name) => `${name} has fewer than ${secretLength} characters, and could be guessed. ${remedy}`,
		),
		...namesOf(patterned).map((name) => `${name} follows a pattern, and could be guessed. ${remedy}`),
	];
	found.push(...shared(secrets, named));
	if (trustProxy !== undefined && trustsStrangers(trustProxy)) {
		found.push(`${named("trustProxy")} names large parts of the internet: whoever is there can choose an address`);
	}
	const tls = weakTls(store);
	if (tls === "none") {
		found.push(
			`${named("store")} is on another machine and used without TLS: events and the password can be read on the way. Add sslmode=verify-full`,
		);
	}
	if (tls === "unverified") {
		found.push(
			`${named("store")} is on another machine and does not verify its certificate: whoever is in between can pretend to be the database. Use sslmode=verify-full`,
		);
	}
	for (const [index, site] of sites.entries()) {
		for (const name of providerNames) {
			const { title, isOddName } = definitions[name];
			const odd = site[name] && isOddName ? (site.attributes ?? []).filter((each) => isOddName(each)) : [];
			if (odd.length === 0) continue;
			found.push(
				`${named(`sites.${index}.attributes`)} names ${listed(
					odd.map((each) => JSON.stringify(each)),
					"and",
				)}: ${title} may refuse it, and it is left out then. Use lowercase letters, digits, _ and -`,
			);
		}
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
