import { readFileSync } from "node:fs";

export interface Block {
	language: string;
	text: string;
}

/** The README's fenced blocks with a language, in order. */
export const blocks: Block[] = [...readFileSync("README.md", "utf8").matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].map(
	([, language = "", text = ""]) => ({ language, text }),
);

/** Returns the only block that contains a text. */
export function blockWith(text: string): string {
	const [block, ...others] = blocks.filter((each) => each.text.includes(text));
	if (!block || others.length > 0)
		throw new Error(`the README has ${others.length + (block ? 1 : 0)} blocks with ${text}`);
	return block.text;
}
