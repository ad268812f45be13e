import { websiteConversations } from "./conversations.ts";
import { websitePeople } from "./people.ts";
import { userProfile, userSession, website, websiteOperators, websiteSettings } from "./website.ts";

/** Every section and method of the source document, under the names it uses. */
export const sections = {
	websiteConversations,
	websitePeople,
	website,
	websiteSettings,
	websiteOperators,
	userSession,
	userProfile,
};
