import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { createExchange } from "../../../server/providers/exchange.ts";

it("an error that repeats the key is masked, also with escaped slashes", async () => {
	const key = Buffer.from("identifier:secret???????").toString("base64");
	expect(key).toContain("/");
	const server = createServer(({ headers }, response) => {
		response.writeHead(401, { "content-type": "application/json" });
		response.end(JSON.stringify({ reason: `bad ${headers.authorization}` }).replaceAll("/", "\\/"));
	});
	await once(server.listen(0, "127.0.0.1"), "listening");
	try {
		const { port } = server.address() as AddressInfo;
		const send = createExchange(`http://127.0.0.1:${port}`, { Authorization: `Basic ${key}` });
		const request = { purpose: "probe", method: "GET", path: ["x"], ifDelivered: {} } as const;
		const answer = await send(request, new AbortController().signal);
		expect(answer).toMatchObject({ status: 401, json: { reason: "bad Basic ***" } });
	} finally {
		server.close();
		server.closeAllConnections();
	}
});
