/** Attributes that are lists of labels: segments in Crisp, tags in HelpCrunch. */
export const labelNames = ["segments", "tags"] as const;
export type LabelName = (typeof labelNames)[number];

export const isLabelName = (name: string): name is LabelName => labelNames.some((each) => each === name);

/** Maximum number of labels in one list, and in one request. */
export const labelsMost = 20;
/** Maximum length of a label, in UTF-16 units. */
const labelLength = 120;

const isLabel = (text: string): boolean => text !== "" && text.length <= labelLength && !/[\p{Cc}\p{Cs}]/u.test(text);

/**
 * Reads a list of labels, trimmed and each once. `leftOut` counts items that are no labels or too many; a value that is
 * no list counts as one.
 */
export function readLabels(value: unknown): { labels: string[]; leftOut: number } {
	if (!Array.isArray(value)) return { labels: [], leftOut: 1 };
	const texts = value.filter((item) => typeof item === "string").map((text) => text.trim());
	const unlike = [...new Set(texts.filter(isLabel))];
	const repeated = texts.filter(isLabel).length - unlike.length;
	const labels = unlike.slice(0, labelsMost);
	return { labels, leftOut: value.length - repeated - labels.length };
}
