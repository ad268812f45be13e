import type { Event } from "../../../shared/event.ts";
import type { CrispConfig } from "../../config/schema.ts";
import { isUpdate, type StoredEvent } from "../../stored-event.ts";
import { leadingUpdates, nameAhead, ofFirstPerson, remember, type Sent, splitName, unsent } from "../attributes.ts";
import { classify, type Dialect } from "../classify.ts";
import { type Answer, createExchange } from "../exchange.ts";
import { type AddressedMemory, addressed, cannotCreate, isMissing, missingPlan, notThere } from "../existence.ts";
import {
	deliveredData,
	type Outcome,
	type Plan,
	type PlannedRequest,
	type Provider,
	pageData,
	type Scalar,
} from "../provider.ts";
import { removeAll } from "../removal.ts";

/** Requests a day by kind of token: https://docs.crisp.chat/guides/rest-api/authentication/ */
const daily = { website: 10_000, plugin: 5_000 };

/** How Crisp's reports name a profile. */
export const profileAlias = (id: string) => `people:${id}`;

interface Memory extends AddressedMemory {
	/** Crisp's own id of the profile, where a creation told it. */
	id?: string;
	sent?: Sent;
	/** The updates whose profile fields are sent, as one, and whose custom data is next. */
	halfSent?: string[] | undefined;
}

/** Attributes that are fields of the profile's person; the rest is custom data. */
const personFields = new Set(["phone", "avatar", "gender", "address", "website"]);

/** Where attributes go: flat names, so that each can be remembered. */
function place(attributes: Record<string, Scalar>): Record<string, Scalar> {
	const { name, rest } = splitName(attributes);
	const placed: Record<string, Scalar> = name === undefined ? {} : { "person.nickname": name };
	for (const [attribute, value] of Object.entries(rest)) {
		if (personFields.has(attribute)) placed[`person.${attribute}`] = String(value);
		else if (attribute === "company") placed["company.name"] = String(value);
		else placed[`data.${attribute}`] = value;
	}
	return placed;
}

/** `{ "person.phone": "1" }` → `{ person: { phone: "1" } }` */
function nested(placed: Record<string, Scalar>): Record<string, Record<string, Scalar>> {
	const result: Record<string, Record<string, Scalar>> = {};
	for (const [path, value] of Object.entries(placed)) {
		const dot = path.indexOf(".");
		const group = path.slice(0, dot);
		result[group] = { ...result[group], [path.slice(dot + 1)]: value };
	}
	return result;
}

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
			const forMs = retryAfterMs !== undefined && { forMs: retryAfterMs };
			return { kind: "wait", reason: reason || "rate_limited", status, ...forMs };
		}
		// The plugin is not installed, or the token's tier is wrong: https://github.com/crisp-im/node-crisp-api/issues/31
		if (reason === "not_subscribed" || reason === "restricted_route_tier") return { kind: "paused", reason, status };
		if (request.purpose === "probe") return undefined;
		if (request.purpose === "create") {
			if (status !== 409) return undefined;
			// Already there, so without the name that was to be theirs.
			const { sent: _, ...known } = request.ifDelivered;
			return { kind: "delivered", known };
		}
		return status === 404 ? notThere(request, status) : undefined;
	},
	succeeded: (json) => json.error !== true,
};

/** The id of a profile that was created. */
function idIn(answer: Answer): string | undefined {
	const data = answer.kind === "reply" ? answer.json?.data : undefined;
	const id = typeof data === "object" && data !== null && "people_id" in data ? data.people_id : undefined;
	return typeof id === "string" && id !== "" ? id : undefined;
}

/**
 * Crisp's REST API, people part: https://docs.crisp.chat/references/rest-api/v1/
 * and https://help.crisp.chat/en/article/how-to-push-user-events-from-your-backend-z0tda4
 */
export function createCrispProvider(config: CrispConfig): Provider {
	const exchange = createExchange(config.baseUrl, {
		Authorization: `Basic ${Buffer.from(`${config.identifier}:${config.key}`).toString("base64")}`,
		"X-Crisp-Tier": config.tier,
	});
	const isReporting = config.hookSecret !== undefined || config.hookKey !== undefined;
	const website = ["website", config.websiteId];
	const people = (method: "POST" | "PATCH", path: string[], body: Record<string, unknown>) => ({
		method,
		path: [...website, "people", ...path],
		body,
	});
	async function send(request: PlannedRequest, signal: AbortSignal): Promise<Outcome> {
		const answer = await exchange(request, signal);
		const outcome = classify(answer, request, dialect);
		const id = request.purpose === "create" ? idIn(answer) : undefined;
		return outcome.kind === "delivered" && id !== undefined ? { ...outcome, known: { ...outcome.known, id } } : outcome;
	}

	function eventBody(event: Event, now: number): Record<string, unknown> {
		const text = event.type === "track" ? event.name : event.type;
		const color = event.color ?? (event.type === "confirmation" ? "green" : undefined);
		const data = { ...pageData(event), ...deliveredData(event, config.occurredAt, now) };
		return { text, ...(color && { color }), ...(Object.keys(data).length > 0 && { data }) };
	}

	/** A login or update: the profile's fields first, then the custom data, each only where something changed. */
	function planUpdates(lane: readonly StoredEvent[], address: string, memory: Memory, now: number): Plan {
		// Fewer updates than the first half took, as after a refusal, have no other first half: that would never end.
		const fresh = lane.findIndex(({ event }) => !memory.halfSent?.includes(event.id));
		const events = fresh > 0 ? lane.slice(0, fresh) : lane;
		const isHalfSent = fresh !== 0;
		const { count, attributes, leftOut } = leadingUpdates(events);
		const changed = Object.entries(unsent(place(attributes), memory.sent, now));
		const data = changed.filter(([path]) => path.startsWith("data."));
		const profile = isHalfSent ? [] : changed.filter(([path]) => !path.startsWith("data."));
		if (profile.length + data.length === 0) return { kind: "done", settles: count, leftOut };
		const isProfile = profile.length > 0;
		const isLast = !isProfile || data.length === 0;
		const part = Object.fromEntries(isProfile ? profile : data);
		const request: PlannedRequest = {
			...people("PATCH", [isProfile ? "profile" : "data", address], nested(part)),
			purpose: "update",
			ifDelivered: {
				...memory,
				missingAt: undefined,
				sent: remember(memory.sent, part, now),
				halfSent: isLast ? undefined : events.slice(0, count).map(({ event }) => event.id),
			},
		};
		return { kind: "send", request, settles: isLast ? count : 0, covers: count, leftOut: isLast ? leftOut : 0 };
	}

	function planEvent({ event }: StoredEvent, address: string, memory: Memory, now: number): Plan {
		const request: PlannedRequest = {
			...people("POST", ["events", address], eventBody(event, now)),
			purpose: "event",
			ifDelivered: { ...memory, missingAt: undefined },
		};
		return { kind: "send", request, settles: 1, covers: 1 };
	}

	function planCreate(events: readonly [StoredEvent, ...StoredEvent[]], memory: Memory, now: number): Plan {
		const { email } = events[0].event.person;
		if (email === undefined) return cannotCreate;
		const nickname = nameAhead(events) ?? email.slice(0, email.lastIndexOf("@"));
		const request: PlannedRequest = {
			...people("POST", ["profile"], { email, person: { nickname } }),
			purpose: "create",
			ifDelivered: {
				...memory,
				missingAt: undefined,
				revivedFor: events[0].event.id,
				sent: remember({}, { "person.nickname": nickname }, now),
			},
		};
		return { kind: "send", request, settles: 0, covers: 1 };
	}

	return {
		name: "crisp",
		title: "Crisp",
		allowance: { requests: daily[config.tier], per: "day" },
		probe: {
			purpose: "probe",
			method: "GET",
			path: ["website", config.websiteId, "people", "profiles", "1"],
			// Nobody, so that no people come with the answer.
			query: { search_text: "eventferry-check" },
			ifDelivered: {},
		},
		addresses: ({ email, ids }) => email !== undefined || ids?.crisp !== undefined,

		plan(lane, known: Memory, now) {
			const events = ofFirstPerson(lane, ({ email, ids }) => ids?.crisp ?? email);
			const [first] = events;
			const { address, memory, missing } = addressed(first, first.event.person.ids?.crisp, known, now);
			const plan = isUpdate(first.event)
				? planUpdates(events, address, memory, now)
				: planEvent(first, address, memory, now);
			if (plan.kind !== "send") return plan;
			if (isMissing(memory, now)) {
				return missingPlan(first, config.createPeople, () => planCreate(events, memory, now));
			}
			return { ...plan, request: { ...plan.request, ifMissing: missing } };
		},

		send,

		...(isReporting && {
			aliases: ({ id, of }: Memory) =>
				[id, of]
					.filter((each) => each !== undefined && each !== "" && !each.includes("@"))
					.map((each) => profileAlias(String(each))),
		}),

		remove(person, known, admit) {
			const addresses = new Set(
				[person.email, ...known.map(({ of }: Memory) => of)].flatMap((address) => address || []),
			);
			if (addresses.size === 0) return Promise.resolve({ kind: "not_addressable" });
			const paths = [...addresses].map((address) => [...website, "people", "profile", address]);
			return removeAll(paths, admit, send);
		},
	};
}
