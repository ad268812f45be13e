import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import {
	batchOf,
	event,
	origin,
	problemOf,
	type RunningProxy,
	runProxy,
	serverKey,
	writeKey,
} from "../support/proxy.ts";

let running: RunningProxy;
afterEach(() => running.stop());

const posted = async (headers: Record<string, string> = {}, key = writeKey) =>
	running.post({ ...batchOf(event()), writeKey: key }, headers);
const statuses = async (times: number, send: () => Promise<Response>) => {
	const answers: number[] = [];
	for (let n = 0; n < times; n += 1) answers.push((await send()).status);
	return answers;
};
async function isLimited(response: Response) {
	expect(response.status).toBe(429);
	expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
	expect(Number(response.headers.get("retry-after"))).toBeLessThanOrEqual(60);
	expect(await problemOf(response)).toMatchObject({ status: 429, code: "rate_limited" });
}

describe("the requests of an address", () => {
	test("are limited to 600 a minute, valid or not, and pages can read Retry-After", async () => {
		running = await runProxy({ config: { rateLimit: {} } });
		expect(new Set(await statuses(300, posted))).toEqual(new Set([202]));
		expect(new Set(await statuses(300, () => running.post("{")))).toEqual(new Set([400]));
		const refused = await posted();
		expect(refused.headers.get("access-control-allow-origin")).toBe(origin);
		expect(refused.headers.get("access-control-expose-headers")?.toLowerCase()).toContain("retry-after");
		await isLimited(refused);
	});

	test("do not count if they are preflights, or a backend's with the right key", async () => {
		running = await runProxy({ config: { rateLimit: { perAddress: 2 } } });
		const backend = () =>
			running.post({ events: [event()] }, { origin: undefined, authorization: `Bearer ${serverKey}` }, "/v1/events");
		expect(await statuses(4, backend)).toEqual([202, 202, 202, 202]);
		const preflight = () => fetch(`${running.url}/v1/batch`, { method: "OPTIONS", headers: { origin } });
		expect(await statuses(3, preflight)).toEqual([204, 204, 204]);
		expect(await statuses(3, posted)).toEqual([202, 202, 429]);
		expect(await statuses(1, backend)).toEqual([202]);
	});

	test("are counted by X-Forwarded-For behind a configured proxy, IPv6 by its /64", async () => {
		running = await runProxy({ config: { rateLimit: { perAddress: 1 }, trustProxy: 1 } });
		const from = (address: string) => posted({ "x-forwarded-for": address });
		for (const address of ["198.51.100.1", "198.51.100.2", "2001:db8:0:1::1", "2001:db8:0:2::1"])
			expect((await from(address)).status, address).toBe(202);
		for (const address of ["198.51.100.1", "9.9.9.9, 198.51.100.2", "2001:db8:0:1:ffff::9", "::ffff:198.51.100.1"])
			expect((await from(address)).status, address).toBe(429);
	});

	test("are counted by the socket's address, not by headers, if no proxy is configured", async () => {
		running = await runProxy({ config: { rateLimit: { perAddress: 1 } } });
		const forging = (n: number) => posted({ "x-forwarded-for": `198.51.100.${n}`, forwarded: `for=198.51.100.${n}` });
		expect([(await forging(1)).status, (await forging(2)).status]).toEqual([202, 429]);
	});
});

describe("the bytes of an address", () => {
	const large = (kilobytes: number) =>
		JSON.stringify(batchOf(event({ data: { text: "x".repeat(100) } }), { id: "y".repeat(kilobytes * 1_024) }));

	test("are limited by default, to 32 MB a minute", async () => {
		running = await runProxy({ config: { rateLimit: {} } });
		const full = large(255);
		expect(new Set(await statuses(128, () => running.post(full)))).toEqual(new Set([202]));
		await isLimited(await running.post(full));
	});

	test("count as they are unpacked, and not if they are the backend's", async () => {
		running = await runProxy({ config: { rateLimit: { bytesPerAddress: "256k" } } });
		const packed = (kilobytes: number) => running.post(gzipSync(large(kilobytes)), { "content-encoding": "gzip" });
		expect(await statuses(2, () => packed(100))).toEqual([202, 202]);
		await isLimited(await packed(100));
		const backend = () =>
			running.post({ events: [event()] }, { origin: undefined, authorization: `Bearer ${serverKey}` }, "/v1/events");
		expect(await statuses(2, backend)).toEqual([202, 202]);
		expect(await statuses(2, () => running.post(large(10)))).toEqual([202, 202]);
	});

	test("may be more than the limit in the first body, which cannot be smaller", async () => {
		running = await runProxy({ config: { rateLimit: { bytesPerAddress: 1_000 } } });
		expect((await running.post(large(10))).status).toBe(202);
		await isLimited(await posted());
	});

	test("are counted by X-Forwarded-For behind a configured proxy", async () => {
		running = await runProxy({ config: { rateLimit: { bytesPerAddress: "15k" }, trustProxy: 1 } });
		const from = (address: string) => running.post(large(10), { "x-forwarded-for": address });
		expect([(await from("198.51.100.1")).status, (await from("198.51.100.2")).status]).toEqual([202, 202]);
		await isLimited(await from("198.51.100.1"));
	});
});

test("requests with a write key are limited if configured, and those with other keys are not", async () => {
	running = await runProxy({ config: { rateLimit: { perAddress: 1_000, perWriteKey: 2 } } });
	expect(await statuses(3, () => posted({ origin: "https://evil.example" }))).toEqual([403, 403, 403]);
	expect(await statuses(2, posted)).toEqual([202, 202]);
	await isLimited(await posted());
	expect((await posted({}, "site_nobody")).status).toBe(401);
});

describe("wrong guesses", () => {
	const guess = (path: string, key: string, method = "POST") =>
		fetch(running.url + path, { method, headers: { authorization: `Bearer ${key}` } });
	// Secrets of 32 characters or more are compared even over the limit.
	const [serverKey, adminToken] = ["a-short-server-key", "a-short-admin-token"];
	const run = (perAddress: number) =>
		runProxy({ config: { rateLimit: { perAddress }, adminToken }, site: (all) => ({ ...all, serverKey }) });

	test.each([
		["the server key", "/v1/events", "POST", serverKey],
		["the admin token", "/admin/stats", "GET", adminToken],
	])("of %s are limited, and then even the right one is refused", async (_name, path, method, right) => {
		running = await run(3);
		expect(new Set(await statuses(5, () => guess(path, right, method)))).not.toContain(429);
		expect(await statuses(3, () => guess(path, "wrong", method))).toEqual([401, 401, 401]);
		await isLimited(await guess(path, "wrong", method));
		await isLimited(await guess(path, right, method));
		expect((await posted()).status).toBe(202);
	});

	test("of one key do not limit the other", async () => {
		running = await run(1);
		expect(await statuses(2, () => guess("/admin/stats", "wrong", "GET"))).toEqual([401, 429]);
		expect((await guess("/v1/events", serverKey)).status).toBe(400);
	});
});
