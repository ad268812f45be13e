import { websiteConversations } from "./conversations.ts";
import { websitePeople } from "./people.ts";
import { userProfile, userSession, website, websiteOperators, websiteSettings } from "./website.ts";

/** Every section of Crisp's first Node client, under its name there. */
export const sections = {
	websiteConversations,
	websitePeople,
	website,
	websiteSettings,
	websiteOperators,
	userSession,
	userProfile,
};
