import type {
	Conversation,
	ConversationMessage,
	ConversationMessageNew,
	ConversationMeta,
	ConversationRoutingAssignUpdate,
	ConversationState,
	ConversationsListOptions,
} from "crisp-api";
import { method } from "./method.ts";

/** Selects messages before, after or around a time, ms since the epoch. */
export interface MessagesQuery {
	timestamp_before?: number | string;
	timestamp_after?: number | string;
	timestamp_around?: number | string;
}

/** New operator of a conversation: an operator's id, Crisp's own form, or null for nobody. */
export type Assignee = string | null | ConversationRoutingAssignUpdate;

const assignment = (to: Assignee) =>
	typeof to === "object" && to !== null ? to : ({ assigned: { user_id: to } } as ConversationRoutingAssignUpdate);

const one = "/website/{website_id}/conversation/{session_id}";

/** `websiteConversations`: https://docs.crisp.chat/references/rest-api/v1/#website-conversations */
export const websiteConversations = {
	getList: method(
		"listConversations",
		"GET /website/{website_id}/conversations/{page}",
		({ website }, websiteId: string, page?: number, options?: ConversationsListOptions): Promise<Conversation[]> =>
			website.listConversations(websiteId, page, options),
	),
	getOne: method(
		"getConversation",
		`GET ${one}`,
		({ website }, websiteId: string, sessionId: string): Promise<Conversation> =>
			website.getConversation(websiteId, sessionId),
	),
	getMeta: method(
		"getConversationMetas",
		`GET ${one}/meta`,
		({ website }, websiteId: string, sessionId: string): Promise<ConversationMeta> =>
			website.getConversationMetas(websiteId, sessionId),
	),
	updateMeta: method(
		"updateConversationMetas",
		`PATCH ${one}/meta`,
		({ website }, websiteId: string, sessionId: string, params: ConversationMeta): Promise<unknown> =>
			website.updateConversationMetas(websiteId, sessionId, params),
	),
	getMessages: method(
		"getMessagesInConversation",
		`GET ${one}/messages`,
		({ website }, websiteId: string, sessionId: string, query: MessagesQuery = {}): Promise<ConversationMessage[]> =>
			website.getMessagesInConversation(
				websiteId,
				sessionId,
				query.timestamp_before,
				query.timestamp_after,
				query.timestamp_around,
			),
		"respects `query`",
	),
	create: method(
		"createNewConversation",
		"POST /website/{website_id}/conversation",
		({ website }, websiteId: string): Promise<{ session_id?: string }> => website.createNewConversation(websiteId),
	),
	initiateOne: method(
		"initiateConversationWithExistingSession",
		`POST ${one}/initiate`,
		({ website }, websiteId: string, sessionId: string): Promise<unknown> =>
			website.initiateConversationWithExistingSession(websiteId, sessionId),
	),
	sendMessage: method(
		"sendMessageInConversation",
		`POST ${one}/message`,
		(
			{ website },
			websiteId: string,
			sessionId: string,
			message: ConversationMessageNew,
		): Promise<{ fingerprint?: number }> => website.sendMessageInConversation(websiteId, sessionId, message),
	),
	setState: method(
		"changeConversationState",
		`PATCH ${one}/state`,
		({ website }, websiteId: string, sessionId: string, state: ConversationState): Promise<unknown> =>
			website.changeConversationState(websiteId, sessionId, state),
	),
	getRouting: method(
		"getConversationRoutingAssign",
		`GET ${one}/routing`,
		({ website }, websiteId: string, sessionId: string): Promise<{ assigned?: { user_id?: string | null } | null }> =>
			website.getConversationRoutingAssign(websiteId, sessionId),
	),
	setRouting: method(
		"assignConversationRouting",
		`PATCH ${one}/routing`,
		({ website }, websiteId: string, sessionId: string, assign: Assignee): Promise<unknown> =>
			website.assignConversationRouting(websiteId, sessionId, assignment(assign)),
		"`assign` may be an operator's id",
	),
	setBlock: method(
		"blockIncomingMessagesForConversation",
		`PATCH ${one}/block`,
		({ website }, websiteId: string, sessionId: string, blocked: boolean): Promise<unknown> =>
			website.blockIncomingMessagesForConversation(websiteId, sessionId, blocked),
	),
	deleteOne: method(
		"removeConversation",
		`DELETE ${one}`,
		({ website }, websiteId: string, sessionId: string): Promise<unknown> =>
			website.removeConversation(websiteId, sessionId),
	),
	acknowledgeMessages: method(
		"markMessagesReadInConversation",
		`PATCH ${one}/read`,
		(
			{ website },
			websiteId: string,
			sessionId: string,
			from: string,
			origin: string,
			fingerprints: number[],
		): Promise<unknown> => website.markMessagesReadInConversation(websiteId, sessionId, { from, origin, fingerprints }),
	),
};
