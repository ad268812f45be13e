import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, test } from "vitest";
import { type CommandLine, commandLine } from "../support/command.ts";
import { batchOf, browserAgent, event, origin, type RunningProxy, runProxy } from "../support/proxy.ts";

/** Posts half of a batch. Resolves once the proxy has the request; `finish` sends the rest and resolves to the answer. */
async function slowly(url: string, body: string) {
	const { hostname, port, pathname } = new URL(url);
	const socket = connect(Number(port), hostname);
	await once(socket, "connect");
	const half = Math.floor(body.length / 2);
	const head = [
		`POST ${pathname.replace(/\/$/, "")}/v1/batch HTTP/1.1`,
		"Host: shop.example",
		`Origin: ${origin}`,
		`User-Agent: ${browserAgent}`,
		"Content-Type: text/plain",
		"Expect: 100-continue",
		"Connection: close",
		`Content-Length: ${body.length}`,
	];
	socket.write(`${head.join("\r\n")}\r\n\r\n`);
	// "100 Continue": the request has arrived.
	await once(socket, "data");
	socket.write(body.slice(0, half));
	return {
		async finish(): Promise<string> {
			socket.write(body.slice(half));
			return text(socket);
		},
		abandon: () => void socket.destroy(),
	};
}
/** Resolves to true if a new connection is accepted. */
function isListening(url: string): Promise<boolean> {
	const { hostname, port } = new URL(url);
	const socket = connect(Number(port), hostname);
	return once(socket, "connect").then(
		() => {
			socket.destroy();
			return true;
		},
		() => false,
	);
}
const oneEvent = () => JSON.stringify(batchOf(event()));

describe("a mounted proxy that is stopped", () => {
	let running: RunningProxy;
	afterEach(() => running.stop());
	const ready = async () => (await fetch(`${running.url}/readyz`)).status;

	test("finishes requests under way, and accepts no others", async () => {
		running = await runProxy({ base: "/ferry" });
		const begun = await slowly(running.url, oneEvent());
		const stopped = running.proxy.stop();
		expect(await ready()).toBe(503);
		expect((await running.post(batchOf(event()))).status).toBe(503);
		expect((await running.admin("/stats")).status).toBe(503);
		const answer = await begun.finish();
		expect(answer).toMatch(/^HTTP\/1\.1 202 /);
		await stopped;
		await running.proxy.start();
		await running.settled(1);
		expect(running.sandbox.people("crisp")).toHaveLength(1);
	});

	test("waits for an unfinished request no longer than the grace period", async () => {
		running = await runProxy();
		const begun = await slowly(running.url, oneEvent());
		await running.proxy.stop(50);
		expect(await ready()).toBe(503);
		expect(await begun.finish()).toMatch(/^HTTP\/1\.1 503 /);
	});

	test("does not wait for a request whose sender has gone away", async () => {
		running = await runProxy();
		const begun = await slowly(running.url, oneEvent());
		const stopped = running.proxy.stop(60_000);
		begun.abandon();
		await stopped;
	});

	test("lets the backend's own track() finish", async () => {
		running = await runProxy();
		const tracked = running.proxy.track({ type: "track", name: "last", person: { email: "ada@example.com" } });
		await Promise.all([tracked, running.proxy.stop()]);
		await running.proxy.start();
		await running.settled(1);
		expect(running.sandbox.people("crisp")[0]?.events).toMatchObject([{ name: "last" }]);
	});
});

describe("eventferry serve on SIGTERM", () => {
	let commands: CommandLine;
	afterEach(() => commands.stop());

	test("accepts no further connection, answers the request under way, and ends with 0", async () => {
		commands = await commandLine();
		const { url, child, exit } = await commands.serve();
		const begun = await slowly(url, oneEvent());
		child.kill("SIGTERM");
		await expect.poll(() => isListening(url), { interval: 20 }).toBe(false);
		expect(await begun.finish()).toMatch(/^HTTP\/1\.1 202 /);
		expect(await exit).toBe(0);
		const again = await commands.serve();
		await commands.sandbox.until(() => commands.sandbox.people("crisp")[0]?.events.length === 1);
		again.child.kill("SIGTERM");
		expect(await again.exit).toBe(0);
	});
});
