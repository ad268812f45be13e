import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { StoreOpenError } from "../../../../server/outbox/outbox.ts";
import { openDatabase } from "../../../../server/outbox/postgres/database.ts";
import { libpqUrls, withTlsOf } from "../../../../server/outbox/postgres/tls.ts";
import { type Cluster, startPostgres } from "../../../support/postgres.ts";
import { temporaryFolder } from "../../../support/served.ts";

/** Makes a key and a certificate in a folder; resolves to false without openssl. */
function makeCertificate(folder: string, name: string, host: string, signedBy?: string): boolean {
	const file = (ending: string, of = name) => `${folder}/${of}.${ending}`;
	const subject = ["-subj", `/CN=${host}`, "-addext", `subjectAltName=DNS:${host}`, "-days", "2", "-nodes"];
	const signer = signedBy ? ["-CA", file("crt", signedBy), "-CAkey", file("key", signedBy)] : [];
	const made = spawnSync("openssl", [
		...["req", "-x509", "-newkey", "rsa:2048", "-keyout", file("key"), "-out", file("crt")],
		...subject,
		...signer,
	]);
	return made.status === 0;
}

const folder = temporaryFolder();
spawnSync("/bin/chmod", ["755", folder.path]);
const hasCertificates =
	!process.env.TEST_POSTGRES &&
	makeCertificate(folder.path, "authority", "authority.example") &&
	makeCertificate(folder.path, "other", "other.example") &&
	makeCertificate(folder.path, "server", "localhost", "authority");
afterAll(folder.remove);

const file = (name: string) => `${folder.path}/${name}.crt`;

describe("sslmode in a store's URL", () => {
	describe.skipIf(!hasCertificates)("of a server with TLS", () => {
		let cluster: Cluster;
		beforeAll(async () => {
			const key = `${folder.path}/server.key`;
			spawnSync("/bin/chmod", ["600", key]);
			// The server runs as this user where the tests run as root.
			cluster = await startPostgres();
			spawnSync("/bin/chown", ["postgres", key]);
			await cluster.run(`ALTER SYSTEM SET ssl_cert_file = '${file("server")}'`);
			await cluster.run(`ALTER SYSTEM SET ssl_key_file = '${key}'`);
			await cluster.run("ALTER SYSTEM SET ssl = on");
			await cluster.halt();
			await cluster.start();
		});
		afterAll(() => cluster.stop());

		async function isEncrypted(query: string, host = "127.0.0.1"): Promise<unknown> {
			const database = await openDatabase(`${cluster.url().replace("127.0.0.1", host)}?${query}`);
			try {
				const [row] = await database.run("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
				return row?.ssl;
			} finally {
				await database.end();
			}
		}

		it.each([
			["sslmode=disable", false],
			["sslmode=allow", true],
			["sslmode=prefer", true],
			["sslmode=require", true],
			["sslmode=no-verify", true],
			[`sslmode=require&sslrootcert=${file("authority")}`, true],
			[`sslmode=verify-ca&sslrootcert=${file("authority")}`, true],
		])("%s connects, with TLS: %s", async (query, encrypted) => {
			expect(await isEncrypted(query)).toBe(encrypted);
		});

		it("verify-full wants the server's name in a certificate of the authority", async () => {
			const query = `sslmode=verify-full&sslrootcert=${file("authority")}`;
			expect(await isEncrypted(query, "localhost")).toBe(true);
			await expect(isEncrypted(query)).rejects.toThrow(/127\.0\.0\.1/);
		});

		it.each([
			`sslmode=require&sslrootcert=${file("other")}`,
			`sslmode=verify-ca&sslrootcert=${file("other")}`,
			`sslmode=verify-full&sslrootcert=${file("other")}`,
			"sslmode=verify-full",
			"sslmode=verify-full&sslrootcert=system",
		])("%s refuses a certificate of another authority", async (query) => {
			await expect(isEncrypted(query, "localhost")).rejects.toThrow(StoreOpenError);
		});
	});

	it("goes without TLS where the server has none, only in the modes allow and prefer", async () => {
		const cluster = await startPostgres();
		try {
			for (const mode of ["allow", "prefer"]) await (await openDatabase(`${cluster.url()}?sslmode=${mode}`)).end();
			await expect(openDatabase(`${cluster.url()}?sslmode=require`)).rejects.toThrow(/does not support SSL/);
		} finally {
			await cluster.stop();
		}
	});

	it("is refused if it is unknown, or lacks the file of authorities", async () => {
		await expect(openDatabase("postgres://127.0.0.1/shop?sslmode=maybe")).rejects.toThrow(/sslmode=maybe is unknown/);
		await expect(openDatabase("postgres://127.0.0.1/shop?sslmode=verify-ca")).rejects.toThrow(/needs sslrootcert/);
	});

	it("comes from the environment if the URL says nothing of TLS, and pg's own settings stay", () => {
		const env = { PGSSLMODE: "verify-full", PGSSLROOTCERT: "/ca.pem" };
		for (const own of ["ssl=true", "sslrootcert=/own.pem", "uselibpqcompat=true&sslmode=require"]) {
			const store = `postgres://db/shop?${own}`;
			expect(libpqUrls(store)).toEqual({ url: store });
			expect(new URL(withTlsOf(env, store)).searchParams.get("sslmode")).not.toBe("verify-full");
		}
		expect(withTlsOf({}, "postgres://db/shop")).toBe("postgres://db/shop");
		const { url } = libpqUrls(withTlsOf(env, "postgres://u:p%20w@db/shop?application_name=a%20b"));
		expect(Object.fromEntries(new URL(url).searchParams)).toEqual({
			application_name: "a b",
			sslmode: "verify-full",
			sslrootcert: "/ca.pem",
			uselibpqcompat: "true",
		});
		expect(url).toContain("u:p%20w@db/shop");
	});
});
