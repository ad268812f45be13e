import type { PeopleProfile, PeopleProfileNew, PeopleProfileUpdateCard } from "crisp-api";
import type { Callee, Official, Section } from "./method.ts";

/** Custom data: an object of scalars, alone or as `data` in another object. */
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

/** Search, order and size of a page of profiles. */
export interface ProfilesQuery {
	sort_field?: string;
	sort_order?: string;
	search_operator?: "and" | "or";
	search_filter?: string;
	search_text?: string;
	/** Profiles to a page, 20 to 50; default 20. */
	per_page?: number | string;
}

/** Page of a list, from 1, as a number or as text. */
type Page = number | string;

/** Arguments for a page of a list. The first client documented a person's id before the page, to no effect. */
type OfPage<More extends unknown[] = []> =
	| [websiteId: string, page?: Page, ...more: More]
	| [websiteId: string, peopleId: unknown, page: Page, ...more: More];

const pageOf = (value: unknown): number | undefined => (/^\d+$/.test(String(value)) ? Number(value) : undefined);

/** Reads the page and the argument after it, with or without the person's id. */
function pageIn([first, second, third]: unknown[]): { page: number; more: unknown } {
	const page = pageOf(second);
	return page === undefined ? { page: pageOf(first) ?? 1, more: second ?? third } : { page, more: third };
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
	findByEmail: { route: `GET ${profile}`, officialName: "getPeopleProfile" },
	findBySegments: {
		route: `GET ${people}/profiles/{page}`,
		officialName: "listPeopleProfiles",
		note: "takes a page",
		call: (official: Official, websiteId: string, segments: string[], page?: number) =>
			official.listPeopleProfiles(websiteId, page, undefined, undefined, "and", segmentFilter(segments)),
	},
	createNewPeopleProfile: {
		route: `POST ${people}/profile`,
		officialName: "addNewPeopleProfile",
		call: (official: Official, websiteId: string, params: PeopleProfileUpdateCard): Promise<PeopleProfileNew> =>
			official.addNewPeopleProfile(websiteId, params),
	},
	checkPeopleProfileExists: {
		route: `HEAD ${profile}`,
		officialName: "checkPeopleProfileExists",
		note: "resolves to true or false",
		call: (official: Official, websiteId: string, peopleId: string): Promise<boolean> =>
			official.checkPeopleProfileExists(websiteId, peopleId).then(
				() => true,
				(error) => (error?.code === 404 ? false : Promise.reject(error)),
			),
	},
	getPeopleProfile: { route: `GET ${profile}`, officialName: "getPeopleProfile" },
	listPeopleProfiles: {
		route: `GET ${people}/profiles/{page}`,
		officialName: "listPeopleProfiles",
		note: "`peopleId` has no effect and may be left out",
		// The official method has no argument for `per_page`.
		call: ({ rest }: Callee, ...[websiteId, ...given]: OfPage<[query?: ProfilesQuery]>): Promise<PeopleProfile[]> => {
			const { page, more } = pageIn(given);
			const path = ["website", websiteId, "people", "profiles", String(page)];
			return rest.get(rest.prepareRestUrl(path), { ...(more as ProfilesQuery | undefined) });
		},
	},
	removePeopleProfile: { route: `DELETE ${profile}`, officialName: "removePeopleProfile" },
	savePeopleProfile: { route: `PUT ${profile}`, officialName: "savePeopleProfile", note: "replaces the whole profile" },
	updatePeopleProfile: { route: `PATCH ${profile}`, officialName: "updatePeopleProfile", note: "merges" },
	listPeopleSegments: {
		route: `GET ${people}/suggest/segments/{page}`,
		officialName: "listSuggestedPeopleSegments",
		note: "`peopleId` has no effect and may be left out",
		call: (official: Official, ...[websiteId, ...rest]: OfPage) =>
			official.listSuggestedPeopleSegments(websiteId, pageIn(rest).page),
	},
	addPeopleEvent: { route: `POST ${people}/events/{people_id}`, officialName: "addPeopleEvent" },
	listPeopleEvent: { route: `GET ${people}/events/{people_id}/list/{page}`, officialName: "listPeopleEvents" },
	getPeopleData: { route: `GET ${data}`, officialName: "getPeopleData" },
	updatePeopleData: {
		route: `PATCH ${data}`,
		officialName: "updatePeopleData",
		note: "merges; it formerly replaced all data, as `savePeopleData` does",
		call: (official: Official, websiteId: string, peopleId: string, params: CustomData): Promise<unknown> =>
			official.updatePeopleData(websiteId, peopleId, wrapped(params)),
	},
	savePeopleData: {
		route: `PUT ${data}`,
		officialName: "savePeopleData",
		note: "replaces all data, as `updatePeopleData` formerly did",
		call: (official: Official, websiteId: string, peopleId: string, params: CustomData): Promise<unknown> =>
			official.savePeopleData(websiteId, peopleId, wrapped(params)),
	},
} satisfies Section;
