import type { Tone } from "./words.ts";

/** Shows a state in words and in a colour. */
export const Pill = ({ words: [words, tone] }: { words: readonly [string, Tone] }) => (
	<span class={`pill ${tone}`}>{words}</span>
);
