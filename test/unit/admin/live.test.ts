import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import express from "express";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createLiveStream, type LiveStream } from "../../../server/admin/live.ts";
import { problemHandler } from "../../../server/http/problem.ts";
import type { Activity } from "../../../server/observe/activity.ts";
import type { LiveDelivery } from "../../../shared/admin.ts";

const delivery = (site: string): LiveDelivery => ({
	kind: "delivery",
	at: 1,
	site,
	destination: "x",
	person: "a***",
	events: [],
	count: 1,
	request: "POST /",
	outcome: "delivered",
	ms: 1,
});

let watchers: Set<(delivery: LiveDelivery) => void>;
let live: LiveStream;
let server: Server;
let url: string;
const tell = (site: string) => {
	for (const watcher of watchers) watcher(delivery(site));
};
beforeEach(async () => {
	watchers = new Set();
	const watch: Activity["watch"] = (listener) => {
		watchers.add(listener);
		return { latest: [delivery("earlier")], stop: () => void watchers.delete(listener) };
	};
	live = createLiveStream({ watch } as Activity, () => 7);
	server = createServer(
		express()
			.get("/live", live.answer)
			.use(problemHandler(() => {})),
	).listen(0, "127.0.0.1");
	await once(server, "listening");
	url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/live`;
});
afterEach(async () => {
	server.closeAllConnections();
	server.close();
	await once(server, "close");
});

it("the live stream sends recent deliveries first, then new ones, and closes on end()", async () => {
	const response = await fetch(url);
	expect(response.headers.get("content-type")).toBe("application/x-ndjson; charset=utf-8");
	tell("now");
	live.end();
	const lines = (await response.text()).trimEnd().split("\n");
	expect(lines.map((line) => JSON.parse(line).site)).toEqual(["earlier", "now"]);
	await vi.waitFor(() => expect(watchers.size).toBe(0));
});

it("the live stream sends a heartbeat every 15 s when nothing happens", async () => {
	vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
	try {
		const response = await fetch(url);
		await vi.waitFor(() => expect(watchers.size).toBe(1));
		vi.advanceTimersByTime(15_000);
		live.end();
		expect((await response.text()).trimEnd().split("\n").at(-1)).toBe('{"kind":"heartbeat","at":7}');
	} finally {
		vi.useRealTimers();
	}
});

it("the live stream disconnects a client that reads too slowly, and no other", async () => {
	const slow = connect(Number(new URL(url).port), "127.0.0.1");
	slow.write("GET /live HTTP/1.1\r\nHost: x\r\n\r\n");
	slow.pause();
	await vi.waitFor(() => expect(watchers.size).toBe(1));
	const response = await fetch(url);
	const reader = response.body?.getReader();
	let read = 0;
	const reading = (async () => {
		for (;;) {
			const chunk = await reader?.read();
			if (!chunk || chunk.done) return;
			read += chunk.value.length;
		}
	})();
	const text = "x".repeat(10_000);
	let sent = 0;
	while (watchers.size === 2) {
		tell(text);
		sent += 1;
		if (sent > 20_000) throw new Error("no client was disconnected");
		if (sent % 20 === 0) await vi.waitFor(() => expect(read).toBeGreaterThan((sent - 10) * text.length));
	}
	expect(watchers.size).toBe(1);
	slow.destroy();
	live.end();
	await reading;
	expect(read).toBeGreaterThan(sent * text.length);
});

it("the live stream serves 100 clients at a time and refuses further ones with 429", async () => {
	const responses = await Promise.all(Array.from({ length: 100 }, () => fetch(url)));
	expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200]));
	const refused = await fetch(url);
	expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "15"]);
	await responses[0]?.body?.cancel();
	await vi.waitFor(() => expect(watchers.size).toBe(99));
	expect((await fetch(url)).status).toBe(200);
});
