import { limits, type Person } from "../../../shared/event.ts";
import { type StoredEvent, setsAttributes } from "../../stored-event.ts";
import { labelKeys, leadingUpdates, nameAhead, refusedAmong, remember, unsent, unsentLabels } from "../attributes.ts";
import { classify, type Dialect, unreadable } from "../classify.ts";
import { eventData, eventName } from "../event-data.ts";
import { createExchange } from "../exchange.ts";
import {
	type AddressedKnown,
	cannotCreate,
	chooseAddress,
	ifCreated,
	isMissing,
	mayCreate,
	missingPlan,
} from "../existence.ts";
import { isRecord, textOf } from "../json.ts";
import { isPathSegment } from "../path-segment.ts";
import type { Connector, Known, Lane, Outcome, Plan, PlannedRequest } from "../provider.ts";
import { afterTrial, leftOutOf, trial, triedAgain } from "../refused-names.ts";
import { removeAll } from "../removal.ts";
import type { CrispConfig } from "./options.ts";
import { attributePaths, bodyOf } from "./profile.ts";

/** Number of requests per day, by the tier of the token: https://docs.crisp.chat/guides/rest-api/authentication/ */
const daily = { website: 10_000, plugin: 5_000 };

/** Knowledge of a person in Crisp. */
export interface CrispKnown extends AddressedKnown {
	/** Crisp's id of the profile, if its creation returned it. */
	id?: string;
	/** Ids of the updates whose profile fields are sent and whose custom data is not. */
	halfSent?: string[] | undefined;
	/** Id of the event for which a creation with attributes was refused. */
	bareFor?: string | undefined;
	/** Segments of the profile, to which others are to be added, and the time of reading them. */
	segments?: { all: string[]; at: number } | undefined;
}

/** Request that creates a profile. */
interface Creation extends PlannedRequest {
	/**
	 * Knowledge of the person after a refusal, with which the profile is created without attributes or, if the creation came
	 * first, the event is sent.
	 */
	ifRefused?: CrispKnown & Known;
}

/**
 * Purpose of a creation before Crisp was asked for the person. It is not held while creations are refused, since the
 * person may have a profile.
 */
const createFirst = "createFirst";
const creations = ["create", createFirst];

/** Number of events that a plan is shown if creations come first: a later one may set the person's name. */
const shownMost = 100;

/** Matches words of an answer that the profile exists already. What Crisp says then is not documented. */
const existsWords =
	/^(?!.*(\bnot?(\b|_)|n't|limit|quota|maximum|reached|exceed)).*(exists|already|duplicate|taken|conflict)/is;

/** Time in ms for which the segments read from a profile are used. */
const segmentsFreshMs = 60_000;

const dialect: Dialect = {
	complaint: (json) => ({
		reason: textOf(json?.reason),
		message: isRecord(json?.data) ? textOf(json.data.message) : undefined,
	}),
	exceptions: [
		// Limits answer 420 or 429: https://docs.crisp.chat/guides/rest-api/rate-limits
		{ status: [420], means: "wait" },
		// The maintainers name 422 as well: https://github.com/crisp-im/ruby-crisp-api/issues/18
		{ status: [422], reason: /limit|quota|too_many/, means: "wait" },
		// A plan limits the number of contacts; the answer at its limit is not documented:
		// https://help.crisp.chat/en/article/how-can-i-increase-my-limits-quotas-1tuarq7
		{ purpose: creations, reason: /limit|quota/, means: "paused" },
		{ purpose: creations, status: [409], means: alreadyThere },
		{ purpose: creations, status: [400, 403, 422], reason: existsWords, means: alreadyThere },
		{ purpose: creations, status: [400, 403, 422], message: existsWords, means: alreadyThere },
		// The plugin is not installed on the website: https://github.com/crisp-im/node-crisp-api/issues/31
		// The token's tier is not admitted: https://github.com/crisp-im/node-crisp-api/issues/56
		{ reason: /^(not_subscribed|restricted_route_tier)$/, means: "paused" },
		{ purpose: ["event", "update", "read", "remove"], status: [404], means: "unknownPerson" },
	],
	succeeded: (json) => json.error !== true,
};

/** Outcome of creating a profile that exists. The sent name is not remembered, as the profile may have another. */
function alreadyThere({ ifDelivered }: PlannedRequest): Outcome {
	const { sent: _, ...known } = ifDelivered;
	return { kind: "delivered", known };
}

/**
 * Outcome of a creation that came first and failed. Whatever the reason, the person may exist: the next request is the
 * event's own. Limits of requests and wrong credentials say nothing about the person.
 */
function afterFirst(outcome: Outcome, known: Known): Outcome {
	if (outcome.kind === "retry") return { ...outcome, known };
	if (outcome.kind === "paused" && outcome.status === 401) return outcome;
	// An unsure limit may be one of contacts.
	const isRefusal =
		outcome.kind === "paused" || outcome.kind === "rejected" || (outcome.kind === "wait" && outcome.isUnsure);
	return isRefusal ? { ...outcome, kind: "rejected", known, isAgain: true } : outcome;
}

const idOf = ({ ids }: Person): string | undefined => ids?.crisp;

/**
 * Connects to the people of a website by Crisp's REST API: https://docs.crisp.chat/references/rest-api/v1/#website-people
 * Events: https://help.crisp.chat/en/article/how-to-push-user-events-from-your-backend-z0tda4
 */
export function createCrispConnector(config: CrispConfig): Connector {
	const exchange = createExchange(config.baseUrl, {
		Authorization: `Basic ${Buffer.from(`${config.identifier}:${config.key}`).toString("base64")}`,
		"X-Crisp-Tier": config.tier,
	});
	const pathOf = (...path: string[]) => ["website", config.websiteId, "people", ...path];

	/**
	 * Plans updates as up to three requests, each with changes only: one that reads the profile's segments if some are to be
	 * added, as a list replaces the one before; the profile's fields and segments; then the custom data.
	 */
	function planUpdates(lane: readonly StoredEvent[], address: string, known: CrispKnown, now: number): Plan {
		// Updates whose profile fields are sent go on with their custom data, even if after a refusal the lane has fewer
		// updates than the first request had. Otherwise the first request would be repeated for ever.
		const firstUnsent = lane.findIndex(({ event }) => !known.halfSent?.includes(event.id));
		const events = firstUnsent > 0 ? lane.slice(0, firstUnsent) : lane;
		const of = lane[0]?.event.id ?? "";
		const { count, attributes, labels, leftOut: unfit } = leadingUpdates(events, { label: "segments" });
		const { paths, leftOut: unsettable } = attributePaths(attributes);
		const { kept, doubted } = trial(unsent(paths, known.sent, now), known, of);
		const changed = Object.entries(kept);
		const data = changed.filter(([path]) => path.startsWith("data."));
		const profile = firstUnsent === 0 ? changed.filter(([path]) => !path.startsWith("data.")) : [];
		const segments = firstUnsent === 0 ? unsentLabels(labels, known.sent, now) : [];
		const refused = [...refusedAmong(paths, known.sent, now), ...Object.keys(doubted)];
		const settled = leftOutOf(unfit + unsettable, refused);
		if (profile.length + data.length + segments.length === 0) return { kind: "done", settles: count, ...settled };
		const { all = [], at = 0 } = known.segments ?? {};
		if (segments.length > 0 && now - at > segmentsFreshMs) {
			const ifDelivered = { ...known, missingAt: undefined, segments: { all: [], at: now } };
			const request = { purpose: "read", method: "GET", path: pathOf("profile", address), ifDelivered } as const;
			return { kind: "send", request, settles: 0, covers: count };
		}
		const isProfile = profile.length + segments.length > 0;
		const isLast = !isProfile || data.length === 0;
		const part = Object.fromEntries(isProfile ? profile : data);
		const sent = remember(known.sent, { ...part, ...labelKeys(segments) }, now);
		const request: PlannedRequest = {
			purpose: "update",
			method: "PATCH",
			path: pathOf(isProfile ? "profile" : "data", address),
			body: { ...bodyOf(part), ...(segments.length > 0 && { segments: [...new Set([...all, ...segments])] }) },
			ifDelivered: {
				...known,
				...(isProfile ? { sent } : afterTrial(sent, doubted, now)),
				missingAt: undefined,
				halfSent: isLast ? undefined : events.slice(0, count).map(({ event }) => event.id),
				segments: undefined,
			},
			attributes: isProfile ? undefined : { fields: part, doubted, of, before: { ...known }, now },
		};
		return {
			kind: "send",
			request,
			settles: isLast ? count : 0,
			covers: count,
			...(isLast ? settled : leftOutOf(0, [])),
		};
	}

	function planEvent({ event }: StoredEvent, address: string, known: CrispKnown, now: number): Plan {
		const request: PlannedRequest = {
			purpose: "event",
			method: "POST",
			path: pathOf("events", address),
			body: {
				text: eventName(event),
				color: event.color ?? (event.type === "confirmation" ? "green" : undefined),
				data: eventData(event, config.occurredAt, now),
			},
			ifDelivered: { ...known, missingAt: undefined },
		};
		return { kind: "send", request, settles: 1, covers: 1 };
	}

	/**
	 * Plans the creation of a profile, with the fields and segments that the lane's leading updates set. Crisp takes custom
	 * data only afterwards. `purpose` tells whether the person is known to be missing.
	 */
	function planCreate(events: Lane, known: CrispKnown, now: number, purpose = "create"): Plan {
		const [{ event }] = events;
		const { email } = event.person;
		if (email === undefined) return cannotCreate;
		const { attributes, labels } = leadingUpdates(events, { label: "segments" });
		const fields = Object.entries(attributePaths(attributes).paths).filter(([path]) => !path.startsWith("data."));
		const name = nameAhead(events);
		// The second try has no attributes, as one of them may be at fault: the update that sets it is then refused instead.
		const isBare = known.bareFor === event.id;
		const given = isBare ? {} : { ...Object.fromEntries(fields), ...(name && { "person.nickname": name }) };
		const segments = isBare ? [] : labels;
		const paths = { "person.nickname": email.slice(0, email.lastIndexOf("@")), ...given };
		const isMore = Object.keys(given).length + segments.length > 0;
		const before = { ...known, bareFor: undefined };
		const request: Creation = {
			purpose,
			method: "POST",
			path: pathOf("profile"),
			body: { email, ...bodyOf(paths), segments: segments.length > 0 ? segments : undefined },
			ifDelivered: ifCreated(before, event, { ...paths, ...labelKeys(segments) }, now),
			...(purpose === createFirst
				? { ifRefused: { ...known, missingAt: undefined } }
				: isMore && { ifRefused: { ...known, bareFor: event.id } }),
		};
		return { kind: "send", request, settles: 0, covers: 1 };
	}

	/** Makes a request that tests a right: its profile id belongs to nobody, and Crisp refuses its body. */
	const rightTest = (method: "POST" | "PATCH", ...path: string[]): PlannedRequest => ({
		purpose: "right",
		method,
		path: pathOf(...path, "00000000-0000-0000-0000-000000000000"),
		body: {},
		ifDelivered: {},
	});

	return {
		rights: [
			{ name: "send events", request: rightTest("POST", "events") },
			{ name: "update profiles", request: rightTest("PATCH", "profile") },
			{ name: "update their data", request: rightTest("PATCH", "data") },
			{ name: "create profiles" },
		],
		...(config.createFirst && { batch: shownMost }),
		allowance: { requests: daily[config.tier], per: "day" },
		probe: {
			purpose: "probe",
			method: "GET",
			path: pathOf("profiles", "1"),
			// Matches nobody, so that the answer holds no people.
			query: { search_text: "eventferry-check" },
			ifDelivered: {},
		},
		addresses: (person) => (idOf(person) ?? person.email) !== undefined,

		plan(lane, stored: CrispKnown, now, isWorthProfile = false) {
			const { events, first, id, address, known, ifMissing } = chooseAddress(lane, idOf, stored, now);
			const plan = setsAttributes(first.event)
				? planUpdates(events, address, known, now)
				: planEvent(first, address, known, now);
			if (plan.kind !== "send") return plan;
			const { missingAt } = known;
			if (isMissing(known, now))
				return missingPlan(first, config, isWorthProfile, missingAt ?? 0, () => planCreate(events, known, now));
			const isNews = (stored.of ?? stored.wrongId) === undefined || missingAt !== undefined;
			const isAddressable = id === undefined && isPathSegment(address);
			if (config.createFirst && isNews && isAddressable && mayCreate(first, config, isWorthProfile))
				return planCreate(events, known, now, createFirst);
			return { ...plan, request: { ...plan.request, ifMissing } };
		},

		async send(request, signal) {
			const answer = await exchange(request, signal);
			const outcome = triedAgain(classify(answer, request, dialect), request);
			const { ifRefused } = request as Creation;
			if (request.purpose === createFirst && ifRefused && outcome.kind !== "delivered")
				return afterFirst(outcome, ifRefused);
			if (outcome.kind === "rejected" && outcome.reason !== "unbuildable" && ifRefused)
				return { ...outcome, known: ifRefused, isAgain: true };
			if (outcome.kind !== "delivered" || answer.kind !== "reply") return outcome;
			const data = isRecord(answer.json?.data) ? answer.json.data : undefined;
			if (request.purpose === "read") {
				if (!data) return unreadable(answer.status);
				const { segments } = outcome.known as CrispKnown;
				const all = Array.isArray(data.segments) ? data.segments.filter((each) => typeof each === "string") : [];
				return { ...outcome, known: { ...outcome.known, segments: { ...segments, all } } };
			}
			const id = creations.includes(request.purpose) ? textOf(data?.people_id) : undefined;
			return id !== undefined && id.length <= limits.idLength
				? { ...outcome, known: { ...outcome.known, id } }
				: outcome;
		},

		async remove(person, known, send) {
			const addresses = [person.email, ...known.map(({ of }: CrispKnown) => of)].flatMap((each) => each || []);
			if (addresses.length === 0) return { kind: "not_addressable" };
			const paths = [...new Set(addresses)].map((address) => pathOf("profile", address));
			return removeAll(paths, send);
		},
	};
}
