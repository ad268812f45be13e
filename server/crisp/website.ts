import type { WebsiteRemoveVerify } from "crisp-api";
import type { Official, Section } from "./method.ts";

const one = "/website/{website_id}";

/** `website`: https://docs.crisp.chat/references/rest-api/v1/#website */
export const website = {
	create: { route: "POST /website", officialName: "createWebsite" },
	delete: {
		route: `DELETE ${one}`,
		officialName: "deleteWebsite",
		note: "deletes the website, although the document calls it Create User Account; Crisp requires `verify: { method, secret }`",
		call: (official: Official, websiteId: string, verify: WebsiteRemoveVerify = {}): Promise<unknown> =>
			official.deleteWebsite(websiteId, verify),
	},
} satisfies Section;

/** `websiteSettings`: https://docs.crisp.chat/references/rest-api/v1/#website-settings */
export const websiteSettings = {
	get: { route: `GET ${one}/settings`, officialName: "getWebsiteSettings" },
	update: {
		route: `PATCH ${one}/settings`,
		officialName: "updateWebsiteSettings",
		note: "updates the settings; it formerly only read them, and the document shows it as `get(params)`",
	},
} satisfies Section;

/** Invitation of an operator. */
export interface NewOperator {
	email: string;
	role: string;
	/** True (default) if the operator must confirm the invitation. */
	verify?: boolean;
}

/** `websiteOperators`: https://docs.crisp.chat/references/rest-api/v1/#website-operators */
export const websiteOperators = {
	getList: { route: `GET ${one}/operators/list`, officialName: "listWebsiteOperators" },
	getOne: { route: `GET ${one}/operator/{user_id}`, officialName: "getWebsiteOperator" },
	deleteOne: { route: `DELETE ${one}/operator/{user_id}`, officialName: "unlinkOperatorFromWebsite" },
	createOne: {
		route: `POST ${one}/operator`,
		officialName: "inviteWebsiteOperator",
		note: "invites the operator",
		call: (official: Official, websiteId: string, { email, role, verify = true }: NewOperator): Promise<unknown> =>
			official.inviteWebsiteOperator(websiteId, email, role, verify),
	},
	updateOne: {
		route: `PATCH ${one}/operator/{user_id}`,
		officialName: "changeOperatorMembership",
		call: (
			official: Official,
			websiteId: string,
			operatorId: string,
			{ role, title }: { role?: string; title?: string },
		): Promise<unknown> =>
			// The official client's type requires role and title, but the client sends only the given ones.
			official.changeOperatorMembership(websiteId, operatorId, role as string, title as string),
	},
} satisfies Section;

const newToken = "create a token once, in your website's settings (tier website) or in the Marketplace (tier plugin)";

/** `userSession`: sessions of operators, withdrawn in 2019. */
export const userSession = {
	loginWithEmail: { route: "POST /user/session/login", instead: newToken },
	recoverPassword: {
		route: "POST /user/session/recover",
		instead: "have operators recover their password at https://app.crisp.chat",
	},
	logout: { route: "POST /user/session/logout", instead: "revoke the token where it was created" },
} satisfies Section;

/** `userProfile`: an operator's own profile, to which no token gives access. */
export const userProfile = {
	get: {
		route: "GET /user/account/profile",
		instead: "websiteOperators.getList(websiteId), which has the operators' profiles",
	},
} satisfies Section;
