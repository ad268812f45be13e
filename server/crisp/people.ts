import type {
	PeopleData,
	PeopleEvent,
	PeopleProfile,
	PeopleProfileNew,
	PeopleProfileUpdateCard,
	PeopleSuggestedSegment,
} from "crisp-api";
import { method } from "./method.ts";

/** Custom data: scalars by name, or these under `data`. */
export type CustomData =
	| Record<string, boolean | string | number>
	| { data: Record<string, boolean | string | number> };

/**
 * Wraps custom data in `data`, as Crisp requires. The official client's type wrongly declares it flat:
 * https://docs.crisp.chat/references/rest-api/v1/#website-people
 */
function wrapped(data: CustomData): Record<string, boolean | string | number> {
	const { data: inner, ...rest } = data;
	const isWrapped = typeof inner === "object" && inner !== null && Object.keys(rest).length === 0;
	return (isWrapped ? data : { data }) as Record<string, boolean | string | number>;
}

/** Search and order of a list of profiles. */
export interface ProfilesQuery {
	sort_field?: string;
	sort_order?: string;
	search_operator?: "and" | "or";
	search_filter?: string;
	search_text?: string;
}

/** Arguments for a page of a list. The first client documented a person's id before the page, which never had an effect. */
type OfPage<More extends unknown[] = []> =
	| [websiteId: string, page?: number, ...more: More]
	| [websiteId: string, peopleId: unknown, page: number, ...more: More];

/** Reads the page and the argument after it, with or without the person's id. */
function pageIn([first, second, third]: unknown[]): { page: number; more: unknown } {
	const [page, more] = typeof second === "number" ? [second, third] : [first, second];
	return { page: typeof page === "number" ? page : 1, more };
}

const segmentFilter = (segments: readonly string[]) =>
	JSON.stringify(
		segments.map((segment) => ({ model: "people", criterion: "segments", operator: "eq", query: [segment] })),
	);

const people = "/website/{website_id}/people";

/** `websitePeople`: https://docs.crisp.chat/references/rest-api/v1/#website-people. An e-mail may stand for a `peopleId`. */
export const websitePeople = {
	findByEmail: method(
		"getPeopleProfile",
		`GET ${people}/profile/{people_id}`,
		({ website }, websiteId: string, email: string): Promise<PeopleProfile> =>
			website.getPeopleProfile(websiteId, email),
	),
	findBySegments: method(
		"listPeopleProfiles",
		`GET ${people}/profiles/{page}`,
		({ website }, websiteId: string, segments: string[], page?: number): Promise<PeopleProfile[]> =>
			website.listPeopleProfiles(websiteId, page, undefined, undefined, "and", segmentFilter(segments)),
		"takes a page",
	),
	createNewPeopleProfile: method(
		"addNewPeopleProfile",
		`POST ${people}/profile`,
		({ website }, websiteId: string, params: PeopleProfileUpdateCard): Promise<PeopleProfileNew> =>
			website.addNewPeopleProfile(websiteId, params),
	),
	checkPeopleProfileExists: method(
		"checkPeopleProfileExists",
		`HEAD ${people}/profile/{people_id}`,
		({ website }, websiteId: string, peopleId: string): Promise<boolean> =>
			website.checkPeopleProfileExists(websiteId, peopleId).then(
				() => true,
				(error) => (error?.code === 404 ? false : Promise.reject(error)),
			),
		"resolves to true or false",
	),
	getPeopleProfile: method(
		"getPeopleProfile",
		`GET ${people}/profile/{people_id}`,
		({ website }, websiteId: string, peopleId: string): Promise<PeopleProfile> =>
			website.getPeopleProfile(websiteId, peopleId),
	),
	listPeopleProfiles: method(
		"listPeopleProfiles",
		`GET ${people}/profiles/{page}`,
		({ website }, ...[websiteId, ...rest]: OfPage<[query?: ProfilesQuery]>): Promise<PeopleProfile[]> => {
			const { page, more } = pageIn(rest);
			const query = (more ?? {}) as ProfilesQuery;
			const { sort_field, sort_order, search_operator, search_filter, search_text } = query;
			return website.listPeopleProfiles(
				websiteId,
				page,
				sort_field,
				sort_order,
				search_operator,
				search_filter,
				search_text,
			);
		},
		"`peopleId` has no effect and may be left out",
	),
	removePeopleProfile: method(
		"removePeopleProfile",
		`DELETE ${people}/profile/{people_id}`,
		({ website }, websiteId: string, peopleId: string): Promise<unknown> =>
			website.removePeopleProfile(websiteId, peopleId),
	),
	savePeopleProfile: method(
		"savePeopleProfile",
		`PUT ${people}/profile/{people_id}`,
		({ website }, websiteId: string, peopleId: string, params: PeopleProfileUpdateCard): Promise<unknown> =>
			website.savePeopleProfile(websiteId, peopleId, params),
		"replaces the whole profile",
	),
	updatePeopleProfile: method(
		"updatePeopleProfile",
		`PATCH ${people}/profile/{people_id}`,
		({ website }, websiteId: string, peopleId: string, params: PeopleProfileUpdateCard): Promise<unknown> =>
			website.updatePeopleProfile(websiteId, peopleId, params),
		"merges",
	),
	listPeopleSegments: method(
		"listSuggestedPeopleSegments",
		`GET ${people}/suggest/segments/{page}`,
		({ website }, ...[websiteId, ...rest]: OfPage): Promise<PeopleSuggestedSegment[]> =>
			website.listSuggestedPeopleSegments(websiteId, pageIn(rest).page),
		"`peopleId` has no effect and may be left out",
	),
	addPeopleEvent: method(
		"addPeopleEvent",
		`POST ${people}/events/{people_id}`,
		({ website }, websiteId: string, peopleId: string, params: PeopleEvent): Promise<unknown> =>
			website.addPeopleEvent(websiteId, peopleId, params),
	),
	listPeopleEvent: method(
		"listPeopleEvents",
		`GET ${people}/events/{people_id}/list/{page}`,
		({ website }, websiteId: string, peopleId: string, page?: number): Promise<PeopleEvent[]> =>
			website.listPeopleEvents(websiteId, peopleId, page),
	),
	getPeopleData: method(
		"getPeopleData",
		`GET ${people}/data/{people_id}`,
		({ website }, websiteId: string, peopleId: string): Promise<PeopleData> =>
			website.getPeopleData(websiteId, peopleId),
	),
	updatePeopleData: method(
		"updatePeopleData",
		`PATCH ${people}/data/{people_id}`,
		({ website }, websiteId: string, peopleId: string, params: CustomData): Promise<unknown> =>
			website.updatePeopleData(websiteId, peopleId, wrapped(params)),
		"merges; it once replaced all data, as `savePeopleData` does",
	),
	savePeopleData: method(
		"savePeopleData",
		`PUT ${people}/data/{people_id}`,
		({ website }, websiteId: string, peopleId: string, params: CustomData): Promise<unknown> =>
			website.savePeopleData(websiteId, peopleId, wrapped(params)),
		"replaces all data, as `updatePeopleData` once did",
	),
};
