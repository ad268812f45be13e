/** A value that fits into one attribute or one field of an event's data. */
export type Scalar = string | number | boolean;

export const isScalar = (value: unknown): value is Scalar =>
	typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value));

export const isRecord = (value: unknown): value is Record<string, unknown> =>
	typeof value === "object" && value !== null && !Array.isArray(value);

/** Returns the value if it is a text that is not empty. */
export const textOf = (value: unknown): string | undefined =>
	typeof value === "string" && value !== "" ? value : undefined;

/** Selects the entries of an object that are scalars, except for the names to omit. */
export function scalarsOf(value: unknown, omit: ReadonlySet<string> = new Set()): Record<string, Scalar> {
	const entries = Object.entries(isRecord(value) ? value : {});
	return Object.fromEntries(
		entries.flatMap(([name, each]) => (isScalar(each) && !omit.has(name) ? [[name, each]] : [])),
	);
}

/** Parses a JSON object; returns undefined for any other text. */
export function parseObject(text: string | undefined): Record<string, unknown> | undefined {
	try {
		const value: unknown = JSON.parse(text ?? "");
		return isRecord(value) ? value : undefined;
	} catch {
		return undefined;
	}
}
