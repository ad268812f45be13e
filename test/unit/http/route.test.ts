import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express, { Router } from "express";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { problemHandler } from "../../../server/http/problem.ts";
import { mount, type Operation, ok, type Route } from "../../../server/http/route.ts";
import { openApiDocument } from "../../../server/openapi/document.ts";

const operation: Operation = { summary: "", answer: ok("", { "text/plain": null }), problems: [] };
const routes: Route[] = [
	{ path: "/read", get: [operation, (_request, response) => void response.send("read")] },
	{
		path: "/both",
		before: (_request, response, next) => next(void response.set("X-Before", "yes")),
		options: (_request, response) => void response.sendStatus(204),
		post: [operation, (_request, _response, next) => next(), (_request, response) => void response.send("posted")],
		delete: [operation, (_request, response) => void response.send("deleted")],
	},
];

let url: string;
let stop: () => Promise<void>;
beforeEach(async () => {
	const router = Router();
	mount(router, routes);
	const app = express()
		.use(router)
		.use(problemHandler(() => {}));
	const server = createServer(app).listen(0, "127.0.0.1");
	await once(server, "listening");
	url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	stop = async () => {
		server.closeAllConnections();
		server.close();
		await once(server, "close");
	};
});
afterEach(() => stop());

describe("a route", () => {
	test.each([
		["GET", "/read", 200, "read"],
		["HEAD", "/read", 200, ""],
		["POST", "/both", 200, "posted"],
		["DELETE", "/both", 200, "deleted"],
		["OPTIONS", "/both", 204, ""],
	])("answers %s %s with its handlers", async (method, path, status, text) => {
		const response = await fetch(url + path, { method });
		expect([response.status, await response.text()]).toEqual([status, text]);
	});

	test.each([
		["POST", "/read", "GET, HEAD"],
		["OPTIONS", "/read", "GET, HEAD"],
		["GET", "/both", "POST, DELETE, OPTIONS"],
		["HEAD", "/both", "POST, DELETE, OPTIONS"],
		["PATCH", "/both", "POST, DELETE, OPTIONS"],
	])("refuses %s %s and allows %s", async (method, path, allowed) => {
		const response = await fetch(url + path, { method });
		expect([response.status, response.headers.get("allow")]).toEqual([405, allowed]);
	});

	test("runs its `before` handler for every method, refused ones included", async () => {
		for (const method of ["POST", "OPTIONS", "PUT"])
			expect((await fetch(`${url}/both`, { method })).headers.get("x-before"), method).toBe("yes");
	});
});

test("the OpenAPI document contains every served method and no other", () => {
	const { paths } = openApiDocument(routes) as { paths: Record<string, object> };
	const described = Object.entries(paths).map(([path, methods]) => [path, ...Object.keys(methods)]);
	expect(described).toEqual([
		["/read", "get"],
		["/both", "post", "delete"],
	]);
});
