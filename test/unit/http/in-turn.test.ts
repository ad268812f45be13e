import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { inTurn } from "../../../server/http/in-turn.ts";

const body = Buffer.alloc(32 * 1_048_576);

/** Starts a server that never times out idle connections. Resolves to a function that opens a connection to it. */
async function serve(listener: RequestListener) {
	const server = createServer({ keepAliveTimeout: 0 }, (request, response) =>
		inTurn(request, response, () => listener(request, response)),
	);
	server.listen(0);
	await once(server, "listening");
	onTestFinished(() => {
		server.closeAllConnections();
		server.close();
	});
	return { server, open: () => connect((server.address() as AddressInfo).port).on("error", () => {}) };
}
const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

test("a request is handled when the answer before it has left", async () => {
	const begun: (() => void)[] = [];
	const { open } = await serve((_request, response) => begun.push(() => response.end("answer")));
	const socket = open();
	let answer = "";
	socket.on("data", (chunk) => {
		answer += chunk;
	});
	socket.write(get.repeat(3));
	for (const count of [1, 2, 3]) {
		await expect.poll(() => begun.length).toBe(count);
		begun.at(-1)?.();
		await expect.poll(() => answer.match(/answer/g)?.length).toBe(count);
	}
	socket.destroy();
});

test.each([1, 2])("an answer that is not read has a time limit, also as the last of %d", async (count) => {
	let answered = 0;
	const { server, open } = await serve((_request, response) => {
		answered += 1;
		response.end(answered === count ? body : "small");
	});
	const connected = once(server, "connection");
	const client = open();
	client.write(get.repeat(count));
	const [socket] = await connected;
	await expect.poll(() => answered).toBe(count);
	await expect.poll(() => socket.timeout).toBe(10_000);
	client.destroy();
});

test("a connection whose answer was read has its own timeout again", async () => {
	const { server, open } = await serve((_request, response) => void response.end("small"));
	const connected = once(server, "connection");
	const client = open().resume();
	client.write(get.repeat(2));
	const [socket] = await connected;
	socket.setTimeout(77_000);
	await once(client, "data");
	await expect.poll(() => socket.timeout).toBe(77_000);
	client.destroy();
});
