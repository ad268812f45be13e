import { AnalyticsBrowser } from "@segment/analytics-next";

// Another origin than the page's, so that the browser asks by preflights.
const host = `${location.host.replace("127.0.0.1", "localhost")}/ferry/segment`;

const analytics = AnalyticsBrowser.load(
	{ writeKey: "site_shop", cdnURL: `http://${host}` },
	{ integrations: { "Segment.io": { apiHost: `${host}/v1`, protocol: "http" } } },
);
// This library says the e-mail when it identifies alone; the proxy learns none from pages.
analytics.addSourceMiddleware(({ payload, next }) => {
	payload.obj.context = { ...payload.obj.context, traits: analytics.instance?.user().traits() };
	next(payload);
});

await analytics.page();
await analytics.track("Seen by nobody");
analytics.identify("u-1", { email: "ada@example.com", firstName: "Ada", lastName: "Lovelace", plan: "pro" });
analytics.group("g-1");
analytics.track("Product Added", { product_id: "iphone-x", quantity: 1 });
analytics.track("Order Completed", { order_id: "A-1001", revenue: 99.9, products: [{ product_id: "iphone-x" }] });
