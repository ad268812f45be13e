import { randomUUID } from "node:crypto";
import { type Request, type RequestHandler, type Response, Router } from "express";
import { answer, methodNotAllowed, refuse, valid } from "./answers.ts";
import { newOperator, newWebsite, operatorChange, settingsChange, websiteRemoval } from "./schemas.ts";

interface Operator {
	user_id: string;
	email: string;
	role: string;
	title?: string;
}

/** `POST /website`, which Crisp allows operators alone. */
export const createWebsite: RequestHandler[] = [
	valid(newWebsite),
	(_request, response) => void answer(response, 201, "added", { website_id: randomUUID() }),
];

/** Routes for a website, its settings and its operators, under `/website/{website_id}`. */
export function createWebsiteRoutes(): { router: Router; clear(): void } {
	let settings: Record<string, unknown> = {};
	const operators = new Map<string, Operator>();

	const of =
		(
			handler: (operator: Operator, request: Request, response: Response) => void,
		): RequestHandler<{ operator: string }> =>
		(request, response) => {
			const operator = operators.get(request.params.operator);
			if (operator) handler(operator, request, response);
			else refuse(response, 404, "operator_not_found");
		};
	const view = (operator: Operator) => ({ type: "operator", details: operator });

	const router = Router({ strict: true, caseSensitive: true });

	router
		.route("/")
		.delete(valid(websiteRemoval), (_request, response) => answer(response, 200, "deleted"))
		.all(methodNotAllowed);

	router
		.route("/settings")
		.get((_request, response) => answer(response, 200, "resolved", settings))
		.patch(valid(settingsChange), (request, response) => {
			settings = { ...settings, ...request.body };
			answer(response, 200, "updated");
		})
		.all(methodNotAllowed);

	router
		.route("/operators/list")
		.get((_request, response) => answer(response, 200, "listed", [...operators.values()].map(view)))
		.all(methodNotAllowed);

	router
		.route("/operator")
		.post(valid(newOperator), (request, response) => {
			const { email, role } = newOperator.parse(request.body);
			const operator = { user_id: randomUUID(), email, role };
			operators.set(operator.user_id, operator);
			answer(response, 201, "added", { user_id: operator.user_id });
		})
		.all(methodNotAllowed);

	router
		.route("/operator/:operator")
		.get(of((operator, _request, response) => answer(response, 200, "resolved", operator)))
		.patch(
			valid(operatorChange),
			of((operator, request, response) => {
				Object.assign(operator, request.body);
				answer(response, 200, "updated");
			}),
		)
		.delete(
			of(({ user_id }, _request, response) => {
				operators.delete(user_id);
				answer(response, 200, "deleted");
			}),
		)
		.all(methodNotAllowed);

	return {
		router,
		clear() {
			settings = {};
			operators.clear();
		},
	};
}
