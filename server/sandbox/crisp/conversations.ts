import { randomUUID } from "node:crypto";
import { type Request, type RequestHandler, type Response, Router } from "express";
import { answer, methodNotAllowed, pageOf, refuse, valid } from "./answers.ts";
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
	isBlocked: boolean;
	messages: (Record<string, unknown> & { fingerprint: number; timestamp: number })[];
	createdAt: number;
}

/** Sends an event to Crisp's event listeners. */
export type Emit = (event: string, data: Record<string, unknown>) => void;

/** Crisp's conversation routes, under `/website/{website_id}`. */
export function createConversations(websiteId: string, emit: Emit): { router: Router; clear(): void } {
	const conversations = new Map<string, Conversation>();
	let lastFingerprint = 0;

	const view = ({ session_id, state, meta, assigned, isBlocked, messages, createdAt }: Conversation) => ({
		session_id,
		website_id: websiteId,
		state,
		is_blocked: isBlocked,
		meta,
		assigned,
		last_message: messages.at(-1)?.content ?? "",
		created_at: createdAt,
	});

	const of =
		(
			handler: (conversation: Conversation, request: Request, response: Response) => void,
		): RequestHandler<{ session: string }> =>
		(request, response) => {
			const conversation = conversations.get(request.params.session);
			if (conversation) handler(conversation, request, response);
			else refuse(response, 404, "session_not_found");
		};

	const router = Router({ strict: true, caseSensitive: true });

	router
		.route("/conversations/:page")
		.get((request, response) => {
			const size = Number(request.query.per_page ?? 20);
			answer(response, 200, "listed", pageOf([...conversations.values()], request.params.page, size).map(view));
		})
		.all(methodNotAllowed);

	router
		.route("/conversation")
		.post((_request, response) => {
			const session_id = `session_${randomUUID()}`;
			conversations.set(session_id, {
				session_id,
				state: "pending",
				meta: { nickname: "visitor", data: {} },
				assigned: { user_id: null },
				isBlocked: false,
				messages: [],
				createdAt: Date.now(),
			});
			answer(response, 201, "added", { session_id });
		})
		.all(methodNotAllowed);

	router
		.route("/conversation/:session")
		.get(of((conversation, _request, response) => answer(response, 200, "resolved", view(conversation))))
		.delete(
			of(({ session_id }, _request, response) => {
				conversations.delete(session_id);
				answer(response, 200, "deleted");
			}),
		)
		.all(methodNotAllowed);

	router
		.route("/conversation/:session/initiate")
		.post(of((_conversation, _request, response) => answer(response, 200, "initiated")))
		.all(methodNotAllowed);

	router
		.route("/conversation/:session/meta")
		.get(of(({ meta }, _request, response) => answer(response, 200, "resolved", meta)))
		.patch(
			valid(conversationMeta),
			of((conversation, request, response) => {
				Object.assign(conversation.meta, request.body);
				answer(response, 200, "updated");
			}),
		)
		.all(methodNotAllowed);

	router
		.route("/conversation/:session/messages")
		.get(
			of(({ messages }, request, response) => {
				const before = Number(request.query.timestamp_before ?? Number.POSITIVE_INFINITY);
				const after = Number(request.query.timestamp_after ?? 0);
				answer(
					response,
					200,
					"listed",
					messages.filter(({ timestamp }) => timestamp < before && timestamp > after),
				);
			}),
		)
		.all(methodNotAllowed);

	router
		.route("/conversation/:session/message")
		.post(
			valid(conversationMessage),
			of((conversation, request, response) => {
				const message = {
					fingerprint: ++lastFingerprint,
					timestamp: Date.now(),
					...conversationMessage.parse(request.body),
				};
				conversation.messages.push(message);
				// Crisp names events from the visitor's side: a visitor sends, and receives what operators write.
				const event = message.from === "user" ? "message:send" : "message:received";
				emit(event, { website_id: websiteId, session_id: conversation.session_id, ...message });
				answer(response, 202, "dispatched", { fingerprint: message.fingerprint });
			}),
		)
		.all(methodNotAllowed);

	router
		.route("/conversation/:session/state")
		.get(of(({ state }, _request, response) => answer(response, 200, "resolved", { state })))
		.patch(
			valid(conversationState),
			of((conversation, request, response) => {
				({ state: conversation.state } = conversationState.parse(request.body));
				answer(response, 200, "updated");
			}),
		)
		.all(methodNotAllowed);

	router
		.route("/conversation/:session/routing")
		.get(of(({ assigned }, _request, response) => answer(response, 200, "resolved", { assigned })))
		.patch(
			valid(conversationRouting),
			of((conversation, request, response) => {
				({ assigned: conversation.assigned } = conversationRouting.parse(request.body));
				answer(response, 200, "updated");
			}),
		)
		.all(methodNotAllowed);

	router
		.route("/conversation/:session/block")
		.get(of(({ isBlocked }, _request, response) => answer(response, 200, "resolved", { blocked: isBlocked })))
		.patch(
			valid(conversationBlock),
			of((conversation, request, response) => {
				({ blocked: conversation.isBlocked } = conversationBlock.parse(request.body));
				answer(response, 200, "updated");
			}),
		)
		.all(methodNotAllowed);

	router
		.route("/conversation/:session/read")
		.patch(
			valid(conversationRead),
			of((_conversation, _request, response) => answer(response, 202, "marked")),
		)
		.all(methodNotAllowed);

	return { router, clear: () => conversations.clear() };
}
