// Appends each event to a CSV file, a line of id, time, type, person and data.
import { appendFile } from "node:fs/promises";
import { defineDestination } from "eventferry/server";

/** Quotes a cell. A quote before it keeps spreadsheets from running it: https://owasp.org/www-community/attacks/CSV_Injection */
const cell = (value) =>
	`"${String(value)
		.replace(/^[=+\-@\t\r]/, "'$&")
		.replaceAll('"', '""')}"`;

const line = ({ id, at, type, name, person, data = {} }) =>
	[id, new Date(at).toISOString(), name ?? type, person.email ?? person.userId, JSON.stringify(data)].map(cell).join();

/** @param {string} file where the lines go; an event can come twice, with the same id */
export const csvFile = (file) =>
	defineDestination({
		batch: 100,
		budget: { requests: 1_000, per: "second" },
		async send(events) {
			await appendFile(file, events.map((event) => `${line(event)}\n`).join(""), { flush: true });
			return { kind: "delivered" };
		},
	});
