import type { Stats } from "../../../shared/admin.ts";
import type { Api } from "./api.ts";
import type { Titles } from "./words.ts";

/** The state of the page that its sections share. */
export interface View {
	api: Api;
	/** Undefined until the first answer. */
	stats: Stats | undefined;
	titles: Titles;
	/** Requests `stats` anew. */
	reload(): void;
}
