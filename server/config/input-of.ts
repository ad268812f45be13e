import type * as z from "zod";

/**
 * The input of a schema, as `z.input` infers it, with the doc comments of its options. `z.input` loses them, because
 * TypeScript drops comments where a mapped type renames keys with `as`.
 */
export type InputOf<Schema> =
	Schema extends z.ZodObject<infer Shape>
		? ObjectInput<Shape>
		: Schema extends z.ZodArray<infer Element>
			? InputOf<Element>[]
			: Schema extends z.ZodOptional<infer Inner> | z.ZodDefault<infer Inner> | z.ZodPrefault<infer Inner>
				? InputOf<Inner> | undefined
				: z.input<Schema>;

/** Infers the object once more, so that editors show the options rather than the names of these types. */
type ObjectInput<Shape> = Inputs<Shape, Exclude<keyof Shape, OptionalKey<Shape>>> &
	Partial<Inputs<Shape, OptionalKey<Shape>>> extends infer Options
	? { [Key in keyof Options]: Options[Key] }
	: never;
type OptionalKey<Shape> = {
	[Key in keyof Shape]: Shape[Key] extends { _zod: { optin: "optional" | "defaulted" } } ? Key : never;
}[keyof Shape];
type Inputs<Shape, Key extends keyof Shape> = { -readonly [Each in Key]: InputOf<Shape[Each]> };
