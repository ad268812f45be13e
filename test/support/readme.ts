import { readFileSync } from "node:fs";

export interface Block {
	language: string;
	text: string;
}

/** The README's fenced blocks, in order; the drawing has no language and is none. */
export const blocks: Block[] = [...readFileSync("README.md", "utf8").matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].map(
	([, language = "", text = ""]) => ({ language, text }),
);

/** The one block that has this in it. */
export function blockWith(text: string): string {
	const [block, ...others] = blocks.filter((each) => each.text.includes(text));
	if (!block || others.length > 0)
		throw new Error(`the README has ${others.length + (block ? 1 : 0)} blocks with ${text}`);
	return block.text;
}
