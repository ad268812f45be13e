import { StoreOpenError } from "../errors.ts";

/** Modes of TLS in libpq, and `no-verify` of pg, which is libpq's `require` without a file of authorities. */
const modes = ["disable", "allow", "prefer", "require", "no-verify", "verify-ca", "verify-full"];

/** Variables of the environment that libpq reads: https://www.postgresql.org/docs/current/libpq-envars.html. */
interface TlsEnvironment {
	PGSSLMODE?: string | undefined;
	PGSSLROOTCERT?: string | undefined;
}

/** Settings of TLS by which pg goes if the URL has no `sslmode`. */
const own = ["ssl", "sslnegotiation", "sslrootcert", "sslcert", "sslkey", "uselibpqcompat"];

/** Adds to a database's URL what the environment says of TLS, where the URL says nothing. */
export function withTlsOf({ PGSSLMODE, PGSSLROOTCERT }: TlsEnvironment, store: string): string {
	const url = new URL(store);
	const given = url.searchParams;
	const mode = given.get("sslmode") || (own.some((name) => given.has(name)) ? undefined : PGSSLMODE);
	if (!mode || !(PGSSLMODE || PGSSLROOTCERT)) return store;
	given.set("sslmode", mode);
	if (PGSSLROOTCERT && !given.get("sslrootcert")) given.set("sslrootcert", PGSSLROOTCERT);
	return url.href;
}

/** Reads the mode of TLS and the file of authorities from a database's URL; no mode if pg's own settings decide. */
export function tlsOf(given: URLSearchParams): { mode?: string; authorities?: string | undefined } {
	const mode = given.get("sslmode");
	return mode && !given.has("uselibpqcompat") ? { mode, authorities: given.get("sslrootcert") || undefined } : {};
}

/** URLs of a database for pg, which reads them by its own rules. */
export interface TlsUrls {
	url: string;
	/** URL for a server that has no TLS; absent if TLS is a must. */
	withoutTls?: string;
}

/**
 * Makes pg read `sslmode` as libpq does: https://www.postgresql.org/docs/current/libpq-ssl.html. By itself pg takes
 * `prefer`, `require` and `verify-ca` for `verify-full`. Here `allow` is `prefer`. Throws a {@link StoreOpenError} for an
 * unknown mode, and for one that lacks its file of authorities.
 */
export function libpqUrls(store: string): TlsUrls {
	const url = new URL(store);
	const given = url.searchParams;
	const { mode, authorities } = tlsOf(given);
	if (!mode) return { url: store };
	if (!modes.includes(mode)) {
		throw new StoreOpenError(`sslmode=${mode} is unknown: use verify-full, or another of ${modes.join(", ")}`);
	}
	const isSystem = authorities === "system";
	if (mode === "verify-ca" && (!authorities || isSystem)) {
		throw new StoreOpenError("sslmode=verify-ca needs sslrootcert, a file of authorities: name it, or use verify-full");
	}
	const withMode = (sslmode: string): string => {
		given.set("sslmode", sslmode);
		return url.href;
	};
	if (isSystem) given.delete("sslrootcert");
	const withoutTls = withMode("disable");
	if (mode === "disable" || mode === "no-verify") return { url: withMode(mode) };
	given.set("uselibpqcompat", "true");
	// libpq verifies everything where the authorities are those of the system.
	if (isSystem) return { url: withMode("verify-full") };
	return mode === "allow" || mode === "prefer" ? { url: withMode("prefer"), withoutTls } : { url: withMode(mode) };
}
