import type { PeopleProfileNew, PeopleProfileUpdateCard } from "crisp-api";
import type { Official, Section } from "./method.ts";

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
const profile = `${people}/profile/{people_id}`;
const data = `${people}/data/{people_id}`;

/** `websitePeople`: https://docs.crisp.chat/references/rest-api/v1/#website-people. An e-mail may stand for a `peopleId`. */
export const websitePeople = {
	findByEmail: { route: `GET ${profile}`, today: "getPeopleProfile" },
	findBySegments: {
		route: `GET ${people}/profiles/{page}`,
		today: "listPeopleProfiles",
		mended: "takes a page",
		call: (official: Official, websiteId: string, segments: string[], page?: number) =>
			official.listPeopleProfiles(websiteId, page, undefined, undefined, "and", segmentFilter(segments)),
	},
	createNewPeopleProfile: {
		route: `POST ${people}/profile`,
		today: "addNewPeopleProfile",
		call: (official: Official, websiteId: string, params: PeopleProfileUpdateCard): Promise<PeopleProfileNew> =>
			official.addNewPeopleProfile(websiteId, params),
	},
	checkPeopleProfileExists: {
		route: `HEAD ${profile}`,
		today: "checkPeopleProfileExists",
		mended: "resolves to true or false",
		call: (official: Official, websiteId: string, peopleId: string): Promise<boolean> =>
			official.checkPeopleProfileExists(websiteId, peopleId).then(
				() => true,
				(error) => (error?.code === 404 ? false : Promise.reject(error)),
			),
	},
	getPeopleProfile: { route: `GET ${profile}`, today: "getPeopleProfile" },
	listPeopleProfiles: {
		route: `GET ${people}/profiles/{page}`,
		today: "listPeopleProfiles",
		mended: "`peopleId` has no effect and may be left out",
		call: (official: Official, ...[websiteId, ...rest]: OfPage<[query?: ProfilesQuery]>) => {
			const { page, more } = pageIn(rest);
			const { sort_field, sort_order, search_operator, search_filter, search_text } = (more ?? {}) as ProfilesQuery;
			const search = [sort_field, sort_order, search_operator, search_filter, search_text] as const;
			return official.listPeopleProfiles(websiteId, page, ...search);
		},
	},
	removePeopleProfile: { route: `DELETE ${profile}`, today: "removePeopleProfile" },
	savePeopleProfile: { route: `PUT ${profile}`, today: "savePeopleProfile", mended: "replaces the whole profile" },
	updatePeopleProfile: { route: `PATCH ${profile}`, today: "updatePeopleProfile", mended: "merges" },
	listPeopleSegments: {
		route: `GET ${people}/suggest/segments/{page}`,
		today: "listSuggestedPeopleSegments",
		mended: "`peopleId` has no effect and may be left out",
		call: (official: Official, ...[websiteId, ...rest]: OfPage) =>
			official.listSuggestedPeopleSegments(websiteId, pageIn(rest).page),
	},
	addPeopleEvent: { route: `POST ${people}/events/{people_id}`, today: "addPeopleEvent" },
	listPeopleEvent: { route: `GET ${people}/events/{people_id}/list/{page}`, today: "listPeopleEvents" },
	getPeopleData: { route: `GET ${data}`, today: "getPeopleData" },
	updatePeopleData: {
		route: `PATCH ${data}`,
		today: "updatePeopleData",
		mended: "merges; it once replaced all data, as `savePeopleData` does",
		call: (official: Official, websiteId: string, peopleId: string, params: CustomData): Promise<unknown> =>
			official.updatePeopleData(websiteId, peopleId, wrapped(params)),
	},
	savePeopleData: {
		route: `PUT ${data}`,
		today: "savePeopleData",
		mended: "replaces all data, as `updatePeopleData` once did",
		call: (official: Official, websiteId: string, peopleId: string, params: CustomData): Promise<unknown> =>
			official.savePeopleData(websiteId, peopleId, wrapped(params)),
	},
} satisfies Section;
