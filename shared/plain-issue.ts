import type * as z from "zod";

const typeWords: Record<string, string> = {
	array: "a list",
	boolean: "true or false",
	number: "a number",
	object: "an object",
	record: "an object",
	string: "text",
};

/** Message for a value of the wrong type, in plain words, where a schema has none of its own. */
export const plainIssue: z.core.$ZodErrorMap = (issue) =>
	issue.code === "invalid_type" ? `must be ${typeWords[issue.expected] ?? issue.expected}` : undefined;
