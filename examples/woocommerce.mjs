// WooCommerce's web hook order.updated as a confirmation, once the order is paid: npm install express
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import express from "express";

// WOOCOMMERCE_SECRET: the secret of the web hook, below WooCommerce → Settings → Advanced → Webhooks.
const {
	EVENTFERRY_URL = "http://127.0.0.1:8788",
	EVENTFERRY_SERVER_KEY,
	WOOCOMMERCE_SECRET,
	PORT = "3000",
} = process.env;
if (!EVENTFERRY_SERVER_KEY || !WOOCOMMERCE_SECRET) throw new Error("set EVENTFERRY_SERVER_KEY and WOOCOMMERCE_SECRET");

/** Tells whether WooCommerce signed exactly these bytes: https://woocommerce.com/document/webhooks/ */
function isSigned(bytes, signature = "") {
	const expected = createHmac("sha256", WOOCOMMERCE_SECRET).update(bytes).digest("base64");
	return (
		signature.length === expected.length && timingSafeEqual(Buffer.from(signature, "latin1"), Buffer.from(expected))
	);
}

/** Makes a confirmation of an order: https://woocommerce.github.io/woocommerce-rest-api-docs/#order-properties */
const confirmationOf = ({ id, billing = {}, customer_id, total, currency, line_items = [] }) => ({
	id: randomUUID(),
	type: "confirmation",
	at: Date.now(),
	// Guests have the customer 0, which would be one person for all of them.
	person: { email: billing.email, userId: customer_id || undefined },
	data: {
		orderId: String(id),
		total,
		currency,
		items: line_items.map(({ product_id, sku, name, price, quantity }) => ({
			id: product_id || sku || name,
			name,
			price,
			quantity,
		})),
	},
});

const app = express();
// The signature is over the bytes as they came, so no JSON parser may come first.
app.post("/hooks/woocommerce", express.raw({ type: () => true, limit: "1mb" }), async (request, response) => {
	const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
	// A new web hook is tried out by an unsigned request, and is saved only if that is answered 200.
	if (/^webhook_id=\d+$/.test(bytes.toString("latin1", 0, 40))) return void response.sendStatus(200);
	if (!isSigned(bytes, request.get("X-WC-Webhook-Signature"))) return void response.sendStatus(401);
	const order = JSON.parse(bytes);
	if (request.get("X-WC-Webhook-Resource") !== "order" || !order.date_paid) return void response.sendStatus(200);
	const stored = await fetch(`${EVENTFERRY_URL}/v1/events`, {
		method: "POST",
		headers: { "Content-Type": "application/json", Authorization: `Bearer ${EVENTFERRY_SERVER_KEY}` },
		body: JSON.stringify({ events: [confirmationOf(order)] }),
	});
	// Each later change of the order comes too. An order is delivered once, by its id.
	if (stored.status !== 202) return void response.sendStatus(503);
	for (const { code, message } of (await stored.json()).rejected)
		console.error(`an order was refused: ${code} ${message}`);
	response.sendStatus(200);
});

const server = app.listen(PORT, () => {
	console.log(`WooCommerce's web hooks go to http://localhost:${server.address().port}/hooks/woocommerce`);
});
