import type { ConversationRoutingAssignUpdate } from "crisp-api";
import type { Official, Section } from "./method.ts";

/** Selects messages before, after or around a time, ms since the epoch. */
export interface MessagesQuery {
	timestamp_before?: number | string;
	timestamp_after?: number | string;
	timestamp_around?: number | string;
}

/** New operator of a conversation: an operator's id, the body of Crisp's route, or null for nobody. */
export type Assignee = string | null | ConversationRoutingAssignUpdate;

/** Operator that a conversation is assigned to. */
export interface Routing {
	assigned?: { user_id?: string | null } | null;
}

const assignment = (to: Assignee) =>
	typeof to === "object" && to !== null ? to : ({ assigned: { user_id: to } } as ConversationRoutingAssignUpdate);

type State = Parameters<Official["changeConversationState"]>[2];
type User = Parameters<Official["changeConversationState"]>[3];

/** Body of a change to a conversation, with who made it. */
type Change<Field extends object> = Field & { user?: User; origin?: string };

/** Returns the body of a change that is given as a body or as a value, with who made it. */
const changeOf = <Field extends object>(given: unknown, name: keyof Field, user?: User, origin?: string) =>
	({ user, origin, ...(typeof given === "object" && given !== null ? given : { [name]: given }) }) as Change<Field>;

const one = "/website/{website_id}/conversation/{session_id}";

/** `websiteConversations`: https://docs.crisp.chat/references/rest-api/v1/#website-conversations */
export const websiteConversations = {
	getList: { route: "GET /website/{website_id}/conversations/{page}", officialName: "listConversations" },
	getOne: { route: `GET ${one}`, officialName: "getConversation" },
	getMeta: { route: `GET ${one}/meta`, officialName: "getConversationMetas" },
	updateMeta: { route: `PATCH ${one}/meta`, officialName: "updateConversationMetas" },
	getMessages: {
		route: `GET ${one}/messages`,
		officialName: "getMessagesInConversation",
		note: "respects `query`",
		call: (official: Official, websiteId: string, sessionId: string, query: MessagesQuery = {}) => {
			const { timestamp_before, timestamp_after, timestamp_around } = query;
			return official.getMessagesInConversation(
				websiteId,
				sessionId,
				timestamp_before,
				timestamp_after,
				timestamp_around,
			);
		},
	},
	create: { route: "POST /website/{website_id}/conversation", officialName: "createNewConversation" },
	initiateOne: { route: `POST ${one}/initiate`, officialName: "initiateConversationWithExistingSession" },
	sendMessage: {
		route: `POST ${one}/message`,
		officialName: "sendMessageInConversation",
		call: (
			official: Official,
			...args: Parameters<Official["sendMessageInConversation"]>
		): Promise<{ fingerprint?: number }> => official.sendMessageInConversation(...args),
	},
	setState: {
		route: `PATCH ${one}/state`,
		officialName: "changeConversationState",
		note: "`state` may be in an object",
		call: (
			official: Official,
			...[websiteId, sessionId, given, ...by]: [string, string, State | Change<{ state: State }>, User?, string?]
		): Promise<unknown> => {
			const { state, user, origin } = changeOf<{ state: State }>(given, "state", ...by);
			return official.changeConversationState(websiteId, sessionId, state, user, origin);
		},
	},
	getRouting: {
		route: `GET ${one}/routing`,
		officialName: "getConversationRoutingAssign",
		call: (official: Official, websiteId: string, sessionId: string): Promise<Routing> =>
			official.getConversationRoutingAssign(websiteId, sessionId),
	},
	setRouting: {
		route: `PATCH ${one}/routing`,
		officialName: "assignConversationRouting",
		note: "`assign` may be an operator's id",
		call: (official: Official, websiteId: string, sessionId: string, assign: Assignee): Promise<unknown> =>
			official.assignConversationRouting(websiteId, sessionId, assignment(assign)),
	},
	setBlock: {
		route: `PATCH ${one}/block`,
		officialName: "blockIncomingMessagesForConversation",
		note: "`blocked` may be in an object",
		call: (
			official: Official,
			...[websiteId, sessionId, given, ...by]: [string, string, boolean | Change<{ blocked: boolean }>, User?, string?]
		): Promise<unknown> => {
			const { blocked, user, origin } = changeOf<{ blocked: boolean }>(given, "blocked", ...by);
			return official.blockIncomingMessagesForConversation(websiteId, sessionId, blocked, user, origin);
		},
	},
	deleteOne: { route: `DELETE ${one}`, officialName: "removeConversation" },
	acknowledgeMessages: {
		route: `PATCH ${one}/read`,
		officialName: "markMessagesReadInConversation",
		call: (
			official: Official,
			websiteId: string,
			sessionId: string,
			from: string,
			origin: string,
			fingerprints: number[],
		): Promise<unknown> =>
			official.markMessagesReadInConversation(websiteId, sessionId, { from, origin, fingerprints }),
	},
} satisfies Section;
