import { createProxy, loadConfig } from "eventferry/server";
import express from "express";

// Configuration from the environment and from eventferry.config.mjs in the working folder.
const proxy = createProxy(await loadConfig());
await proxy.start();

const app = express();
// Mounted before the app's own body parsers, which may refuse large bodies.
app.use("/ferry", proxy.router);
app.use(express.json());
app.get("/", (_request, response) => {
	response.type("html").send('<script async src="/ferry/client.js" data-write-key="site_shop"></script>');
});
app.post("/orders", async (request, response) => {
	const { orderId, total, email } = request.body;
	await proxy.track({ type: "confirmation", person: { email }, data: { orderId, total } });
	response.status(201).end();
});

const server = app.listen(process.env.PORT ?? 3000, () => {
	console.log(`the shop is at http://localhost:${server.address().port}`);
});

for (const signal of ["SIGINT", "SIGTERM"]) {
	process.once(signal, async () => {
		server.close(); // no new connections
		await proxy.stop(); // finishes requests under way, for at most 10 s, then closes the store
		server.closeAllConnections();
	});
}
