import { expectTypeOf, test } from "vitest";
import type * as z from "zod";
import type { configSchema } from "../../../server/config/schema.ts";
import { type Config, defineConfig } from "../../../server/index.ts";

type Site = Config["sites"][number];
/** Options of every destination. */
interface Destination {
	createPeople?: "always" | "verified" | "never" | string[] | undefined;
	occurredAt?: "always" | "late" | "never" | undefined;
	events?: string[] | undefined;
	budget?: number | undefined;
	dayStartsAt?: string | undefined;
	reserve?: number | undefined;
	maxWait?: number | undefined;
	baseUrl?: string | undefined;
}
type Flat<Type> = { [Key in keyof Type]: Type[Key] };
/** True if two types are identical. Vitest's `toEqualTypeOf` reports some large identical types as different. */
type Same<One, Other> =
	(<Type>() => Type extends One ? 1 : 2) extends <Type>() => Type extends Other ? 1 : 2 ? true : false;
const identical = <One, Other>(_same: Same<One, Other>) => {};

test("a configuration's type is the input type of its schema", () => {
	identical<Config, z.input<ReturnType<typeof configSchema>>>(true);
});

test("the types of a site's accounts are derived exactly from the registry", () => {
	identical<
		NonNullable<Site["crisp"]>,
		Flat<
			Destination & {
				websiteId: string;
				identifier: string;
				key: string;
				tier?: "website" | "plugin" | undefined;
				createFirst?: boolean | undefined;
				hookSecret?: string | undefined;
				hookKey?: string | undefined;
			}
		>
	>(true);
	identical<NonNullable<Site["helpcrunch"]>, Flat<Destination & { apiKey: string; hookSecret?: string | undefined }>>(
		true,
	);
	identical<
		NonNullable<Site["vibetrace"]>,
		Flat<Destination & { apiKey: string; standardEvents?: string[] | undefined }>
	>(true);
	expectTypeOf<NonNullable<Site["inbound"]>[number]["from"]>().toEqualTypeOf<"crisp" | "helpcrunch">();
});

test("a configuration that its schema rejects does not compile", () => {
	const site = { writeKey: "site_shop", origins: ["https://shop.example"] };
	defineConfig({ sites: [{ ...site, vibetrace: { apiKey: "v", events: ["track"] } }] });
	// @ts-expect-error: an account needs its credentials
	defineConfig({ sites: [{ ...site, vibetrace: { events: ["track"] } }] });
	// @ts-expect-error: no such option of HelpCrunch
	defineConfig({ sites: [{ ...site, helpcrunch: { apiKey: "h", tier: "plugin" } }] });
	// @ts-expect-error: no such tier
	defineConfig({ sites: [{ ...site, crisp: { websiteId: "w", identifier: "i", key: "k", tier: "user" } }] });
	// @ts-expect-error: Vibetrace reports nothing
	defineConfig({ sites: [{ ...site, inbound: [{ from: "vibetrace", event: "x", as: "track" }] }] });
	// @ts-expect-error: no such provider
	defineConfig({ sites: [{ ...site, intercom: { apiKey: "i" } }] });
});
