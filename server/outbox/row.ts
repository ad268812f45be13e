/** A row of either database. Read each column with `Number`, `String` or `optionalNumber`. */
export type Row = Readonly<Record<string, unknown>>;

export const optionalNumber = (value: unknown): number | undefined =>
	value === null || value === undefined ? undefined : Number(value);
