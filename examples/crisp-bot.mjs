// A bot that answers every visitor in Crisp's chat: npm install eventferry crisp-api
import { createCrisp } from "eventferry/server";

const { CRISP_IDENTIFIER: identifier, CRISP_KEY: key, CRISP_TIER: tier, CRISP_BASE_URL: baseUrl } = process.env;
const crisp = createCrisp({ identifier, key, tier, baseUrl });

crisp.on("message:send", ({ website_id, session_id }) => {
	const answer = { type: "text", content: "I'm a bot", from: "operator", origin: "chat" };
	return crisp.websiteConversations.sendMessage(website_id, session_id, answer);
});
