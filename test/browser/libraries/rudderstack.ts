import { RudderAnalytics } from "@rudderstack/analytics-js/bundled";

// Another origin than the page's, so that the browser asks by preflights.
const host = `http://${location.host.replace("127.0.0.1", "localhost")}/ferry/segment`;

const analytics = new RudderAnalytics();
analytics.load("site_shop", host, { configUrl: host });

analytics.page();
analytics.track("Seen by nobody");
analytics.identify("u-1", { email: "ada@example.com", firstName: "Ada", lastName: "Lovelace", plan: "pro" });
analytics.group("g-1");
analytics.track("Product Added", { product_id: "iphone-x", quantity: 1 });
analytics.track("Order Completed", { order_id: "A-1001", revenue: 99.9, products: [{ product_id: "iphone-x" }] });
