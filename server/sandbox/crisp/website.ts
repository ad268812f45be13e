import { randomUUID } from "node:crypto";
import { anything, type Routes } from "../routes.ts";
import { about, answer, refuse, valid } from "./answers.ts";
import { newOperator, operatorChange, settingsChange, websiteRemoval } from "./schemas.ts";

interface Operator {
	user_id: string;
	email: string;
	role: string;
	title?: string;
}

const view = (operator: Operator) => ({ type: "operator", details: operator });

/** Routes for a website, its settings and its operators, under `/website/{website_id}`. */
export function createWebsite(): { routes: Routes; clear(): void } {
	let settings: Record<string, unknown> = {};
	const operators = new Map<string, Operator>();
	const ofOperator = about(({ operator = "" }) => operators.get(operator), refuse(404, "operator_not_found"));

	return {
		routes: {
			"": { delete: valid(websiteRemoval, () => answer("deleted")) },
			"/settings": {
				get: () => answer("resolved", settings),
				patch: valid(settingsChange, (change) => {
					settings = { ...settings, ...change };
					return answer("updated");
				}),
			},
			"/operators/list": { get: () => answer("listed", [...operators.values()].map(view)) },
			"/operator": {
				post: valid(newOperator, ({ email, role }) => {
					const user_id = randomUUID();
					operators.set(user_id, { user_id, email, role });
					return answer("added", { user_id }, 201);
				}),
			},
			"/operator/:operator": {
				get: ofOperator(anything, (operator) => answer("resolved", operator)),
				patch: ofOperator(operatorChange, (operator, change) => {
					Object.assign(operator, change);
					return answer("updated");
				}),
				delete: ofOperator(anything, ({ user_id }) => {
					operators.delete(user_id);
					return answer("deleted");
				}),
			},
		},
		clear() {
			settings = {};
			operators.clear();
		},
	};
}
