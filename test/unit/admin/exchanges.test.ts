import { expect, it } from "vitest";
import { exchangeView } from "../../../server/admin/exchanges.ts";
import { checkConfig } from "../../../server/config/config.ts";
import type { KeptExchange } from "../../../server/observe/exchanges.ts";
import { hidingSecrets } from "../../../server/observe/hiding.ts";

const secret = "c2VjcmV0/b2YgdGhl+c2hvcA/0123456789";
const config = checkConfig({
	sites: [{ writeKey: "site_x", origins: ["https://shop.example"], vibetrace: { apiKey: secret } }],
});

const exchange: KeptExchange = {
	at: 1,
	destination: { site: "x", name: "vibetrace" },
	person: "email:ada@example.com",
	events: [],
	request: "POST /events",
	path: ["events"],
	outcome: "rejected",
	ms: 1,
};

it.each([
	["slashes", JSON.stringify({ given: secret }).replaceAll("/", "\\/")],
	["letters", `{"given":"${secret.replaceAll("c", "\\u0063")}"}`],
	["nothing", `given: ${secret}`],
])("an answer that repeats a secret and escapes %s does not show it", (_escaped, answer) => {
	for (const show of [true, false]) {
		const view = exchangeView(
			{ ...exchange, answer },
			{ labelOf: () => "x", hideSecrets: hidingSecrets(config), show },
		);
		expect(JSON.stringify(view)).not.toContain(secret);
		if (show) expect(JSON.stringify(view.answer)).toContain("***");
	}
});
