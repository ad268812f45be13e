import type { Stats } from "../../../shared/admin.ts";
import { masked, maskedJson, maskedText } from "../../../shared/masking.ts";
import type { Api } from "./api.ts";
import type { Link } from "./link.ts";
import type { Titles } from "./words.ts";

/** The state of the page that its sections share. */
export interface View {
	api: Api;
	/** Undefined until the first answer. */
	stats: Stats | undefined;
	titles: Titles;
	/** Requests `stats` anew. */
	reload(): void;
	/** State in the page's address, and a function that changes parts of it. */
	link: Link;
	go(change: Link): void;
	show: Show;
}

/** Writes what is about people: masked, unless the operator has asked to see them. */
export interface Show {
	/** True if people are shown. */
	isOpen: boolean;
	/** Name of a person, who is an e-mail or a userId. */
	person(name: string): string;
	/** Text of a provider, which may name a person. */
	text(text: string): string;
	/** JSON on several lines. Texts in `plain` are not about a person. */
	json(value: unknown, plain?: readonly string[]): string;
}

export const createShow = (isOpen: boolean): Show => ({
	isOpen,
	person: (name) => (isOpen ? name : masked(name.includes("@") ? { email: name } : { userId: name })),
	text: (text) => (isOpen ? text : maskedText(text)),
	json: (value, plain) => JSON.stringify(isOpen ? value : maskedJson(value, plain), null, 2),
});
