/** A private-use character that no text of ours starts with but one that is written as JSON. */
const mark = "\ue000";

/**
 * A text as PostgreSQL can hold it: one with a NUL, or with half of a surrogate pair, would fail the whole
 * statement or come back as another, so it is written as JSON behind a mark.
 */
export const storable = (text: string): string =>
	text.includes("\0") || text.startsWith(mark) || !text.isWellFormed() ? mark + JSON.stringify(text) : text;

/** The text that {@link storable} made storable. */
export const restored = (text: string): string => (text.startsWith(mark) ? JSON.parse(text.slice(mark.length)) : text);
