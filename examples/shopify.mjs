// Shopify's web hook orders/paid as a confirmation: npm install express
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import express from "express";

// SHOPIFY_SECRET: the client secret of your app, or the key below Settings → Notifications → Webhooks.
const { EVENTFERRY_URL = "http://127.0.0.1:8788", EVENTFERRY_SERVER_KEY, SHOPIFY_SECRET, PORT = "3000" } = process.env;
if (!EVENTFERRY_SERVER_KEY || !SHOPIFY_SECRET) throw new Error("set EVENTFERRY_SERVER_KEY and SHOPIFY_SECRET");

/** Tells whether Shopify signed exactly these bytes: https://shopify.dev/docs/apps/build/webhooks/subscribe/https */
function isSigned(bytes, signature = "") {
	const expected = createHmac("sha256", SHOPIFY_SECRET).update(bytes).digest("base64");
	return (
		signature.length === expected.length && timingSafeEqual(Buffer.from(signature, "latin1"), Buffer.from(expected))
	);
}

/** Makes a confirmation of an order: https://shopify.dev/docs/api/admin-rest/latest/resources/order */
const confirmationOf = ({ id, email, customer, total_price, currency, line_items = [] }) => ({
	id: randomUUID(),
	type: "confirmation",
	at: Date.now(),
	person: { email: email || customer?.email, userId: customer?.id },
	data: {
		orderId: String(id),
		total: total_price,
		currency,
		items: line_items.map(({ product_id, sku, name, price, quantity }) => ({
			id: product_id ?? sku ?? name,
			name,
			price,
			quantity,
		})),
	},
});

const app = express();
// The signature is over the bytes as they came, so no JSON parser may come first.
app.post("/hooks/shopify", express.raw({ type: () => true, limit: "1mb" }), async (request, response) => {
	const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
	if (!isSigned(bytes, request.get("X-Shopify-Hmac-Sha256"))) return void response.sendStatus(401);
	if (request.get("X-Shopify-Topic") !== "orders/paid") return void response.sendStatus(200);
	const stored = await fetch(`${EVENTFERRY_URL}/v1/events`, {
		method: "POST",
		headers: { "Content-Type": "application/json", Authorization: `Bearer ${EVENTFERRY_SERVER_KEY}` },
		body: JSON.stringify({ events: [confirmationOf(JSON.parse(bytes))] }),
	});
	// Shopify repeats what is not answered 200. A repeated order is delivered once, by its id.
	if (stored.status !== 202) return void response.sendStatus(503);
	for (const { code, message } of (await stored.json()).rejected)
		console.error(`an order was refused: ${code} ${message}`);
	response.sendStatus(200);
});

const server = app.listen(PORT, () => {
	console.log(`Shopify's web hooks go to http://localhost:${server.address().port}/hooks/shopify`);
});
