import type { ConversationRoutingAssignUpdate } from "crisp-api";
import type { Official, Section } from "./method.ts";

/** Selects messages before, after or around a time, ms since the epoch. */
export interface MessagesQuery {
	timestamp_before?: number | string;
	timestamp_after?: number | string;
	timestamp_around?: number | string;
}

/** New operator of a conversation: an operator's id, Crisp's own form, or null for nobody. */
export type Assignee = string | null | ConversationRoutingAssignUpdate;

/** Operator that a conversation is assigned to. */
export interface Routing {
	assigned?: { user_id?: string | null } | null;
}

const assignment = (to: Assignee) =>
	typeof to === "object" && to !== null ? to : ({ assigned: { user_id: to } } as ConversationRoutingAssignUpdate);

const one = "/website/{website_id}/conversation/{session_id}";

/** `websiteConversations`: https://docs.crisp.chat/references/rest-api/v1/#website-conversations */
export const websiteConversations = {
	getList: { route: "GET /website/{website_id}/conversations/{page}", today: "listConversations" },
	getOne: { route: `GET ${one}`, today: "getConversation" },
	getMeta: { route: `GET ${one}/meta`, today: "getConversationMetas" },
	updateMeta: { route: `PATCH ${one}/meta`, today: "updateConversationMetas" },
	getMessages: {
		route: `GET ${one}/messages`,
		today: "getMessagesInConversation",
		mended: "respects `query`",
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
	create: { route: "POST /website/{website_id}/conversation", today: "createNewConversation" },
	initiateOne: { route: `POST ${one}/initiate`, today: "initiateConversationWithExistingSession" },
	sendMessage: {
		route: `POST ${one}/message`,
		today: "sendMessageInConversation",
		call: (
			official: Official,
			...args: Parameters<Official["sendMessageInConversation"]>
		): Promise<{ fingerprint?: number }> => official.sendMessageInConversation(...args),
	},
	setState: { route: `PATCH ${one}/state`, today: "changeConversationState" },
	getRouting: {
		route: `GET ${one}/routing`,
		today: "getConversationRoutingAssign",
		call: (official: Official, websiteId: string, sessionId: string): Promise<Routing> =>
			official.getConversationRoutingAssign(websiteId, sessionId),
	},
	setRouting: {
		route: `PATCH ${one}/routing`,
		today: "assignConversationRouting",
		mended: "`assign` may be an operator's id",
		call: (official: Official, websiteId: string, sessionId: string, assign: Assignee): Promise<unknown> =>
			official.assignConversationRouting(websiteId, sessionId, assignment(assign)),
	},
	setBlock: { route: `PATCH ${one}/block`, today: "blockIncomingMessagesForConversation" },
	deleteOne: { route: `DELETE ${one}`, today: "removeConversation" },
	acknowledgeMessages: {
		route: `PATCH ${one}/read`,
		today: "markMessagesReadInConversation",
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
