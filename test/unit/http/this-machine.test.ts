import type { Request } from "express";
import { describe, expect, it } from "vitest";
import { fromThisMachine } from "../../../server/http/this-machine.ts";

const host = "127.0.0.1:8788";
const from = (headers: Record<string, string>, remoteAddress = "127.0.0.1") =>
	fromThisMachine({ headers: { host, ...headers }, socket: { remoteAddress } } as unknown as Request);

describe("a request in sandbox mode is from this machine", () => {
	it.each([{}, { origin: `http://${host}` }, { host: "localhost:8788" }, { host: "[::1]:8788" }])(
		"with %o",
		(headers) => expect(from(headers)).toBe(true),
	);
	it.each([
		{ "x-forwarded-for": "192.0.2.1" },
		{ "x-forwarded-host": "shop.example" },
		{ "x-forwarded-proto": "https" },
		{ "x-real-ip": "192.0.2.1" },
		{ "cf-connecting-ip": "192.0.2.1" },
		{ forwarded: "for=192.0.2.1" },
		{ via: "1.1 proxy" },
		{ origin: "https://evil.example" },
		{ origin: "null" },
		{ host: "evil.example:8788" },
	])("but not with %o", (headers) => expect(from(headers)).toBe(false));
	it("but not from another address", () => expect(from({}, "192.0.2.1")).toBe(false));
});
