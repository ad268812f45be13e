import { randomUUID } from "node:crypto";
import type { createPeople, SandboxPerson } from "../people.ts";
import { anything, type Routes } from "../routes.ts";
import { about, answer, pageOf, refuse, valid } from "./answers.ts";
import { partialCard, peopleData, peopleEvent, type SearchCondition, searchFilter, wholeCard } from "./schemas.ts";

const updated = answer("updated");
// Undocumented: Crisp's answer for an e-mail that has a profile already.
const exists = refuse(409, "people_exists");
const card = (person: SandboxPerson) => ({ people_id: person.id, email: person.email, ...person.profile });

// Undocumented: Crisp's answer when its plan has no room for more contacts.
const full = refuse(402, "people_limit_reached");

export interface PeopleLimits {
	/** Maximum number of people. */
	contacts: number;
	/** Names of custom data that are accepted. */
	names: RegExp;
}

/** Crisp's routes for people and their events, under `/website/{website_id}`. */
export function peopleRoutes(people: ReturnType<typeof createPeople>, { contacts, names }: PeopleLimits): Routes {
	/** Stores custom data; an empty value deletes its key. */
	function keepData(person: SandboxPerson, data: Record<string, unknown>, before: Record<string, unknown> = {}) {
		if (!Object.keys(data).every((name) => name.search(names) >= 0)) return refuse(400, "invalid_data");
		const all = Object.entries({ ...before, ...data });
		person.attributes = Object.fromEntries(all.filter(([, value]) => value !== ""));
		return updated;
	}

	/** Makes a handler for the person in the path, a people_id or an e-mail. */
	const ofPerson = about(({ person = "" }) => people.find(person), refuse(404, "not_found"));

	/** Stores a contact card, unless another profile has its e-mail. */
	function keepCard(person: SandboxPerson, { email, ...profile }: Record<string, unknown>) {
		if (typeof email === "string") {
			const holder = people.find(email);
			if (holder && holder !== person) return exists;
			people.readdress(person, email);
		}
		person.profile = profile;
		return updated;
	}

	return {
		"/people/events/:person": {
			post: ofPerson(peopleEvent, (person, { text, ...rest }) => {
				person.events.push({ name: text, ...rest, at: Date.now() });
				return answer("dispatched");
			}),
		},
		"/people/events/:person/list/:page": {
			get: ofPerson(anything, ({ events }, _body, { params }) => {
				const shown = events.map(({ name, at, ...event }) => ({ text: name, ...event, timestamp: at }));
				return answer("listed", pageOf(shown, params.page));
			}),
		},
		"/people/profile": {
			post: valid(wholeCard, (body) => {
				if (people.find(body.email)) return exists;
				if (people.all().length >= contacts) return full;
				const person = people.add(randomUUID(), {});
				keepCard(person, body);
				return answer("added", { people_id: person.id }, 201);
			}),
		},
		"/people/profile/:person": {
			get: ofPerson(anything, (person) => answer("resolved", card(person))),
			put: ofPerson(wholeCard, keepCard),
			patch: ofPerson(partialCard, (person, body) => keepCard(person, merged(person.profile, body))),
			delete: ofPerson(anything, (person) => {
				people.remove(person);
				return answer("deleted");
			}),
		},
		"/people/data/:person": {
			get: ofPerson(anything, ({ attributes }) => answer("resolved", { data: attributes })),
			put: ofPerson(peopleData, (person, { data }) => keepData(person, data)),
			patch: ofPerson(peopleData, (person, { data }) => keepData(person, data, person.attributes)),
		},
		"/people/profiles/:page": {
			get({ params, query }) {
				const conditions = searchFilter.safeParse(query.search_filter);
				if (!conditions.success) return refuse(400, "invalid_data");
				const isAny = query.search_operator === "or";
				const found = people.all().filter((person) => {
					const holds = conditions.data.map((condition) => meets(card(person), condition));
					return isAny ? holds.some(Boolean) : holds.every(Boolean);
				});
				const size = Math.min(50, Math.max(20, Number(query.per_page ?? 20)));
				return answer("listed", pageOf(found, params.page, size).map(card));
			},
		},
		"/people/suggest/segments/:page": {
			get({ params }) {
				const named = people.all().flatMap(({ profile }) => (profile.segments ?? []) as string[]);
				const segments = [...Map.groupBy(named, (segment) => segment)];
				const counted = segments.map(([segment, all]) => ({ segment, count: all.length }));
				return answer("listed", pageOf(counted, params.page));
			},
		},
	};
}

/** Whether a card meets one condition of a search. Only segments are compared; other criteria always match. */
function meets({ segments }: Record<string, unknown>, { criterion, query }: SearchCondition): boolean {
	return criterion !== "segments" || (Array.isArray(segments) && query.every((each) => segments.includes(each)));
}

/** Merges a `PATCH` body: given fields replace old ones, objects field by field. */
function merged(old: Record<string, unknown>, change: Record<string, unknown>): Record<string, unknown> {
	const result = { ...old };
	for (const [field, value] of Object.entries(change)) {
		const before = result[field];
		result[field] = isObject(before) && isObject(value) ? merged(before, value) : value;
	}
	return result;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
	typeof value === "object" && value !== null && !Array.isArray(value);
