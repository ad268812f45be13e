import { randomUUID } from "node:crypto";
import type { ZodType } from "zod";
import { anything, type Routes } from "../routes.ts";
import { about, answer, pageOf, refuse } from "./answers.ts";
import {
	conversationBlock,
	conversationMessage,
	conversationMeta,
	conversationRead,
	conversationRouting,
	conversationState,
} from "./schemas.ts";

interface Conversation {
	session_id: string;
	state: string;
	meta: Record<string, unknown>;
	assigned: { user_id: string | null };
	blocked: boolean;
	messages: (Record<string, unknown> & { fingerprint: number; timestamp: number })[];
	createdAt: number;
}

/** Sends an event to Crisp's event listeners. */
type Emit = (event: string, data: Record<string, unknown>) => void;

/** Crisp's conversation routes, under `/website/{website_id}`. */
export function createConversations(websiteId: string, emit: Emit): { routes: Routes; clear(): void } {
	const conversations = new Map<string, Conversation>();
	let lastFingerprint = 0;

	const view = ({ session_id, state, meta, assigned, blocked, messages, createdAt }: Conversation) => ({
		session_id,
		website_id: websiteId,
		state,
		is_blocked: blocked,
		meta,
		assigned,
		last_message: messages.at(-1)?.content ?? "",
		created_at: createdAt,
	});
	const ofConversation = about(({ session = "" }) => conversations.get(session), refuse(404, "session_not_found"));
	const change = <Body extends Partial<Conversation>>(schema: ZodType<Body>) =>
		ofConversation(schema, (conversation, body) => {
			Object.assign(conversation, body);
			return answer("updated");
		});

	const routes: Routes = {
		"/conversations/:page": {
			get: ({ params, query }) =>
				answer("listed", pageOf([...conversations.values()], params.page, Number(query.per_page ?? 20)).map(view)),
		},
		"/conversation": {
			post: () => {
				const session_id = `session_${randomUUID()}`;
				conversations.set(session_id, {
					session_id,
					state: "pending",
					meta: { nickname: "visitor", data: {} },
					assigned: { user_id: null },
					blocked: false,
					messages: [],
					createdAt: Date.now(),
				});
				return answer("added", { session_id }, 201);
			},
		},
		"/conversation/:session": {
			get: ofConversation(anything, (conversation) => answer("resolved", view(conversation))),
			delete: ofConversation(anything, ({ session_id }) => {
				conversations.delete(session_id);
				return answer("deleted");
			}),
		},
		"/conversation/:session/initiate": { post: ofConversation(anything, () => answer("initiated")) },
		"/conversation/:session/meta": {
			get: ofConversation(anything, ({ meta }) => answer("resolved", meta)),
			patch: ofConversation(conversationMeta, ({ meta }, body) => {
				Object.assign(meta, body);
				return answer("updated");
			}),
		},
		"/conversation/:session/messages": {
			get: ofConversation(anything, ({ messages }, _body, { query }) => {
				const before = Number(query.timestamp_before ?? Number.POSITIVE_INFINITY);
				const after = Number(query.timestamp_after ?? 0);
				return answer(
					"listed",
					messages.filter(({ timestamp }) => timestamp < before && timestamp > after),
				);
			}),
		},
		"/conversation/:session/message": {
			post: ofConversation(conversationMessage, ({ session_id, messages }, body) => {
				const message = { fingerprint: ++lastFingerprint, timestamp: Date.now(), ...body };
				messages.push(message);
				// Crisp names events from the visitor's side: a visitor sends, and receives what operators write.
				const event = message.from === "user" ? "message:send" : "message:received";
				emit(event, { website_id: websiteId, session_id, ...message });
				return answer("dispatched", { fingerprint: message.fingerprint }, 202);
			}),
		},
		"/conversation/:session/state": {
			get: ofConversation(anything, ({ state }) => answer("resolved", { state })),
			patch: change(conversationState),
		},
		"/conversation/:session/routing": {
			get: ofConversation(anything, ({ assigned }) => answer("resolved", { assigned })),
			patch: change(conversationRouting),
		},
		"/conversation/:session/block": {
			get: ofConversation(anything, ({ blocked }) => answer("resolved", { blocked })),
			patch: change(conversationBlock),
		},
		"/conversation/:session/read": { patch: ofConversation(conversationRead, () => answer("marked", {}, 202)) },
	};
	return { routes, clear: () => conversations.clear() };
}
