import type { Event } from "../../shared/event.ts";
import type { CrispConfig } from "../config-schema.ts";
import type { StoredEvent } from "../stored-event.ts";
import { fullName, leadingUpdates, nameAhead, nameAttributes, remember, type Sent, unsent } from "./attributes.ts";
import { classify, type Dialect } from "./classify.ts";
import { createExchange } from "./exchange.ts";
import { cannotCreate, type Existence, ifMissing, missingPlan, notThere } from "./existence.ts";
import { deliveredData, type PlannedRequest, type Provider, type Scalar } from "./provider.ts";

/** Requests a day by kind of token: https://docs.crisp.chat/guides/rest-api/authentication/ */
const daily = { website: 10_000, plugin: 5_000 };

interface Memory extends Existence {
	sent?: Sent;
}

/** Where in a profile card an attribute goes; all others are custom data. */
const personFields = new Set(["phone", "avatar", "gender", "address", "website"]);

/** An attribute's place, as one flat name, so that it can be remembered. */
function place(attributes: Record<string, Scalar>): { profile: Record<string, string>; data: Record<string, Scalar> } {
	const profile: Record<string, string> = {};
	const data: Record<string, Scalar> = {};
	const nickname = fullName(attributes);
	if (nickname !== undefined) profile["person.nickname"] = nickname;
	for (const [name, value] of Object.entries(attributes)) {
		if (nameAttributes.has(name)) continue;
		if (personFields.has(name)) profile[`person.${name}`] = String(value);
		else if (name === "company") profile["company.name"] = String(value);
		else data[name] = value;
	}
	return { profile, data };
}

/** `{ "person.phone": "1" }` → `{ person: { phone: "1" } }` */
function card(profile: Record<string, string>): Record<string, Record<string, string>> {
	const result: Record<string, Record<string, string>> = {};
	for (const [path, value] of Object.entries(profile)) {
		const [group = "", field = ""] = path.split(".");
		result[group] = { ...result[group], [field]: value };
	}
	return result;
}

const prefixed = (prefix: string, attributes: Record<string, Scalar>) =>
	Object.fromEntries(Object.entries(attributes).map(([name, value]) => [prefix + name, value]));
const unprefixed = (prefix: string, attributes: Record<string, Scalar>) =>
	Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name.slice(prefix.length), value]));

const dialect: Dialect = {
	complaint(json) {
		const { reason, data } = json ?? {};
		const message = typeof data === "object" && data !== null && "message" in data ? data.message : undefined;
		return {
			reason: typeof reason === "string" ? reason : undefined,
			message: typeof message === "string" ? message : undefined,
		};
	},
	exception({ status, retryAfterMs }, { reason = "" }, request) {
		if (status < 400) return undefined;
		const limited = status === 420 || (status === 422 && /limit|quota|too_many/.test(reason));
		if (limited) {
			return {
				kind: "wait",
				reason: reason || "rate_limited",
				status,
				...(retryAfterMs !== undefined && { forMs: retryAfterMs }),
			};
		}
		// The plugin is not installed, or the token's tier is wrong: https://github.com/crisp-im/node-crisp-api/issues/31
		if (reason === "not_subscribed" || reason === "restricted_route_tier") return { kind: "paused", reason, status };
		if (request.purpose === "create")
			return status === 409 ? { kind: "delivered", known: request.ifDelivered } : undefined;
		return status === 404 ? notThere(request, status) : undefined;
	},
	succeeded: (json) => json.error !== true,
};

/**
 * Crisp's REST API, people part: https://docs.crisp.chat/references/rest-api/v1/
 * and https://help.crisp.chat/en/article/how-to-push-user-events-from-your-backend-z0tda4
 */
export function createCrispProvider(config: CrispConfig): Provider {
	const exchange = createExchange(config.baseUrl, {
		Authorization: `Basic ${Buffer.from(`${config.identifier}:${config.key}`).toString("base64")}`,
		"X-Crisp-Tier": config.tier,
	});
	const people = (
		method: "POST" | "PATCH",
		path: string[],
		body: Record<string, unknown>,
	): Pick<PlannedRequest, "method" | "path" | "body"> => ({
		method,
		path: ["website", config.websiteId, "people", ...path],
		body,
	});

	function eventBody(event: Event, now: number): Record<string, unknown> {
		const text = event.type === "track" ? event.name : event.type;
		const color = event.color ?? (event.type === "confirmation" ? "green" : undefined);
		const page = event.type === "page" ? { url: event.context?.url, title: event.context?.title } : {};
		const data = { ...page, ...deliveredData(event, config.occurredAt, now) };
		return { text, ...(color && { color }), ...(Object.keys(data).length > 0 && { data }) };
	}

	/** A login or update: the profile's fields first, then the custom data, each only where something changed. */
	function planUpdates(events: readonly StoredEvent[], address: string, memory: Memory, now: number) {
		const { count, attributes, leftOut } = leadingUpdates(events);
		const { profile, data } = place(attributes);
		const profileUnsent = unsent(profile, memory.sent, now);
		const dataUnsent = unsent(prefixed("data.", data), memory.sent, now);
		const send = (path: string, body: Record<string, unknown>, sent: Record<string, unknown>, settles: number) => ({
			kind: "send" as const,
			settles,
			covers: count,
			leftOut: settles > 0 ? leftOut : 0,
			request: {
				...people("PATCH", [path, address], body),
				purpose: "update",
				ifDelivered: { state: "exists", sent: remember(memory.sent, sent, now) } satisfies Memory,
				ifMissing: ifMissing(memory, now),
			},
		});
		const dataLeft = Object.keys(dataUnsent).length > 0;
		if (Object.keys(profileUnsent).length > 0) {
			return send("profile", card(profileUnsent), profileUnsent, dataLeft ? 0 : count);
		}
		if (dataLeft) return send("data", { data: unprefixed("data.", dataUnsent) }, dataUnsent, count);
		return { kind: "done" as const, settles: count, leftOut };
	}

	return {
		name: "crisp",
		allowance: { requests: daily[config.tier], per: "day" },
		addresses: ({ email, ids }) => email !== undefined || ids?.crisp !== undefined,

		plan(events, known, now) {
			const [first] = events;
			const memory = known as Memory;
			const { email, ids } = first.event.person;
			const missing = missingPlan(first, memory, config.createPeople, now, () => {
				if (email === undefined) return cannotCreate;
				const nickname = nameAhead(events) ?? email.slice(0, email.lastIndexOf("@"));
				const sent = remember({}, { "person.nickname": nickname }, now);
				const request = {
					...people("POST", ["profile"], { email, person: { nickname } }),
					purpose: "create",
					ifDelivered: { state: "fresh", sent } satisfies Memory,
				};
				return { kind: "send", request, settles: 0, covers: 1 };
			});
			if (missing) return missing;
			const address = ids?.crisp ?? email ?? "";
			if (first.event.type === "login" || first.event.type === "update") {
				return planUpdates(events, address, memory, now);
			}
			return {
				kind: "send",
				settles: 1,
				covers: 1,
				request: {
					...people("POST", ["events", address], eventBody(first.event, now)),
					purpose: "event",
					ifDelivered: { ...memory, state: "exists" } satisfies Memory,
					ifMissing: ifMissing(memory, now),
				},
			};
		},

		send: async (request, signal) => classify(await exchange(request, signal), request, dialect),
	};
}
