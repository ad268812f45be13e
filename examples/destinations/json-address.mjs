// Posts each event as JSON to an API that takes a bearer token, with a probe and a way to delete a person.
import { defineDestination } from "eventferry/server";

/** @param {{ url: string, token: string }} api base URL of the API, and its token */
export function jsonAddress({ url, token }) {
	const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
	return defineDestination({
		budget: { requests: 600, per: "minute" },
		send: (event, { fetch }) =>
			fetch(`${url}/events`, {
				method: "POST",
				// An event can come twice: by its id, the receiver can drop the second one.
				headers: { ...headers, "Idempotency-Key": event.id },
				body: JSON.stringify(event),
			}),
		probe: ({ fetch }) => fetch(`${url}/me`, { headers }),
		remove: ({ email, userId }, { fetch }) =>
			fetch(`${url}/people/${encodeURIComponent(email ?? userId)}`, { method: "DELETE", headers }),
	});
}
