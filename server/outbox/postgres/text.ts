/** Private-use character in front of a text that is stored as JSON. */
const mark = "\ue000";

/**
 * Encodes a text for PostgreSQL, which can hold neither NUL nor half of a surrogate pair,
 * https://www.postgresql.org/docs/current/datatype-character.html. A text with one is stored as JSON, behind a mark.
 */
export const storable = (text: string): string =>
	text.includes("\0") || text.startsWith(mark) || !text.isWellFormed() ? mark + JSON.stringify(text) : text;

/** Decodes a text that {@link storable} has encoded. */
export const restored = (text: string): string => (text.startsWith(mark) ? JSON.parse(text.slice(mark.length)) : text);
