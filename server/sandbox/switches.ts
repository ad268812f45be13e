import { json, type RequestHandler, type Response, Router } from "express";
import * as z from "zod";
import type { Fault } from "./faults.ts";
import type { Sandbox } from "./index.ts";
import { providerNames } from "./provider.ts";

/** Troubles that the shop's page can switch on at a simulated provider. */
const troubles = {
	/** Every request is answered 503. */
	outage: { status: 503 },
	/** Every request is answered 429, with a wait of 20 seconds. */
	limit: { status: 429, retryAfter: 20, body: { error: true, reason: "rate_limited" } },
	/** The API key is refused. */
	refused: { status: 401, body: { error: true, reason: "invalid_session" } },
	/** Every answer takes 4 seconds. */
	slow: { delayMs: 4_000 },
} satisfies Record<string, Fault>;

const states = ["none", ...(Object.keys(troubles) as (keyof typeof troubles)[])] as const;
const switchSchema = z.strictObject({ destination: z.enum(providerNames), trouble: z.enum(states) });

/**
 * Makes the route of the switches, `/sandbox/switches`: GET tells the trouble of each provider, POST changes one. The
 * body must be JSON, which a page of another origin cannot send without a preflight, and those are not answered.
 */
export function sandboxSwitches(sandbox: Pick<Sandbox, "fault">): Router {
	const on = new Map<string, { trouble: string; clear(): void }>();
	const show = (response: Response) =>
		response
			.set("Cache-Control", "no-store")
			.json(Object.fromEntries(providerNames.map((name) => [name, on.get(name)?.trouble ?? "none"])));

	const change: RequestHandler = ({ body }, response) => {
		const { success, data } = switchSchema.safeParse(body);
		if (!success) {
			const example = '{ "destination": "crisp", "trouble": "outage" }';
			response.status(400).json({ error: `Send JSON such as ${example}. Troubles: ${states.join(", ")}` });
			return;
		}
		const { destination, trouble } = data;
		on.get(destination)?.clear();
		on.delete(destination);
		if (trouble !== "none") on.set(destination, { trouble, clear: sandbox.fault(destination, troubles[trouble]) });
		show(response);
	};
	return Router()
		.get("/sandbox/switches", (_request, response) => void show(response))
		.post("/sandbox/switches", json({ limit: "1kb" }), change);
}
