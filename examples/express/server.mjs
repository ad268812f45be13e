import { createProxy, loadConfig } from "eventferry/server";
import express from "express";

// From the environment, or eventferry.config.mjs beside this file.
const proxy = createProxy(await loadConfig());
await proxy.start();

const app = express();
// Before the app's own body parsers, which may refuse what is large.
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
		await proxy.stop(); // what has begun is finished, for 10 s at most; then the store is closed
		server.closeAllConnections();
	});
}
