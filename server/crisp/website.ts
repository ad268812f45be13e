import type {
	Website,
	WebsiteCreate,
	WebsiteOperator,
	WebsiteOperatorListOne,
	WebsiteRemoveVerify,
	WebsiteSettings,
	WebsiteSettingsUpdate,
} from "crisp-api";
import { method, type Withdrawn } from "./method.ts";

const one = "/website/{website_id}";

/** `website`: https://docs.crisp.chat/references/rest-api/v1/#website */
export const website = {
	create: method(
		"createWebsite",
		"POST /website",
		({ website }, params: WebsiteCreate): Promise<Website> => website.createWebsite(params),
	),
	delete: method(
		"deleteWebsite",
		`DELETE ${one}`,
		({ website }, websiteId: string, verify: WebsiteRemoveVerify = {}): Promise<unknown> =>
			website.deleteWebsite(websiteId, verify),
		"deletes the website, although the document calls it Create User Account; Crisp requires `verify: { method, secret }`",
	),
};

/** `websiteSettings`: https://docs.crisp.chat/references/rest-api/v1/#website-settings */
export const websiteSettings = {
	get: method(
		"getWebsiteSettings",
		`GET ${one}/settings`,
		({ website }, websiteId: string): Promise<WebsiteSettings> => website.getWebsiteSettings(websiteId),
	),
	update: method(
		"updateWebsiteSettings",
		`PATCH ${one}/settings`,
		({ website }, websiteId: string, params: WebsiteSettingsUpdate): Promise<unknown> =>
			website.updateWebsiteSettings(websiteId, params),
		"updates the settings; it once only read them, and the document shows it as `get(params)`",
	),
};

/** Invitation of an operator. */
export interface NewOperator {
	email: string;
	role: string;
	/** Whether the operator must confirm the invitation. */
	verify?: boolean;
}

/** `websiteOperators`: https://docs.crisp.chat/references/rest-api/v1/#website-operators */
export const websiteOperators = {
	getList: method(
		"listWebsiteOperators",
		`GET ${one}/operators/list`,
		({ website }, websiteId: string): Promise<WebsiteOperatorListOne[]> => website.listWebsiteOperators(websiteId),
	),
	getOne: method(
		"getWebsiteOperator",
		`GET ${one}/operator/{user_id}`,
		({ website }, websiteId: string, operatorId: string): Promise<WebsiteOperator> =>
			website.getWebsiteOperator(websiteId, operatorId),
	),
	deleteOne: method(
		"unlinkOperatorFromWebsite",
		`DELETE ${one}/operator/{user_id}`,
		({ website }, websiteId: string, operatorId: string): Promise<unknown> =>
			website.unlinkOperatorFromWebsite(websiteId, operatorId),
	),
	createOne: method(
		"inviteWebsiteOperator",
		`POST ${one}/operator`,
		({ website }, websiteId: string, { email, role, verify = true }: NewOperator): Promise<unknown> =>
			website.inviteWebsiteOperator(websiteId, email, role, verify),
		"invites the operator",
	),
	updateOne: method(
		"changeOperatorMembership",
		`PATCH ${one}/operator/{user_id}`,
		(
			{ website },
			websiteId: string,
			operatorId: string,
			{ role, title }: { role?: string; title?: string },
		): Promise<unknown> =>
			// The official client's type requires both, but it sends only those that are given.
			website.changeOperatorMembership(websiteId, operatorId, role as string, title as string),
	),
};

const token = "create a token once, in your website's settings (tier website) or in the Marketplace (tier plugin)";

/** `userSession`: sessions of operators, withdrawn in 2019. */
export const userSession = {
	loginWithEmail: { route: "POST /user/session/login", instead: token } satisfies Withdrawn,
	recoverPassword: {
		route: "POST /user/session/recover",
		instead: "have operators recover their password at https://app.crisp.chat",
	} satisfies Withdrawn,
	logout: { route: "POST /user/session/logout", instead: "revoke the token where it was created" } satisfies Withdrawn,
};

/** `userProfile`: an operator's own profile, which no token gives access to. */
export const userProfile = {
	get: {
		route: "GET /user/account/profile",
		instead: "websiteOperators.getList(websiteId), which has the operators' profiles",
	} satisfies Withdrawn,
};
