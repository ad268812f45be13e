import { globSync, readFileSync } from "node:fs";

export interface Block {
	/** File of the page, for example `docs/start.md`. */
	page: string;
	language: string;
	text: string;
}

/** Reads a page's fenced blocks with a language, in order. */
export const blocksOf = (page: string): Block[] =>
	[...readFileSync(page, "utf8").matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].map(([, language = "", text = ""]) => ({
		page,
		language,
		text,
	}));

/** All pages that users read: the README, and docs/. */
export const pageFiles: string[] = ["README.md", ...globSync("docs/*.md").toSorted()];

/** Returns the only block of a page, the README unless another is named, that contains a text. */
export function blockWith(text: string, page = "README.md"): string {
	const [block, ...others] = blocksOf(page).filter((each) => each.text.includes(text));
	if (!block || others.length > 0)
		throw new Error(`${page} has ${others.length + (block ? 1 : 0)} blocks with ${text}`);
	return block.text;
}
