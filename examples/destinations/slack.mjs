// Posts each purchase to a channel of Slack: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
import { defineDestination } from "eventferry/server";

/** What a visitor types must be no mention and no link: https://docs.slack.dev/messaging/formatting-message-text */
const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** @param {string} url address of the incoming web hook; whoever has it can post */
export const slack = (url) =>
	defineDestination({
		events: ["confirmation"],
		budget: { requests: 1, per: "second" },
		send({ person, data }, { fetch }) {
			const text = `${plain(person.email ?? person.userId)} bought ${plain(data.orderId)} for ${plain(data.total)}`;
			const headers = { "Content-Type": "application/json" };
			return fetch(url, { method: "POST", headers, body: JSON.stringify({ text }) });
		},
	});
