import * as z from "zod";
import { providerNames } from "../providers/registry.ts";
import { type Arguments, UsageError } from "./command.ts";
import { idsOf } from "./consent.ts";
import { didYouMean } from "./nearest.ts";
import { ask } from "./operator.ts";

/** Selected dead letters, which fit all conditions. Every dead letter without one. */
export interface Selection {
	ids?: string[] | undefined;
	destination?: string | undefined;
	reason?: string | undefined;
	person?: string | undefined;
	name?: string | undefined;
	/** Time since which the last attempt was made, ms since the epoch. */
	since?: number | undefined;
}

/** Options that select dead letters, for messages. */
export const selectors = "--destination, --reason, --person, --name, --since or --id";

const units: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads a time: so long ago, or a date, with the time of day in UTC unless it has a zone. Throws {@link UsageError}. */
function readTime(text: string, now: number): number {
	const [, count, unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
	if (count !== undefined) return Math.max(0, now - Number(count) * (units[unit] ?? 0));
	const [, date, time = "00:00", zone = "Z"] =
		/^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)?)?$/i.exec(text) ?? [];
	const at = date === undefined ? Number.NaN : Date.parse(`${date}T${time}${zone.toUpperCase()}`);
	if (Number.isNaN(at))
		throw new UsageError(
			`"${text}" is no time for --since: give 90s, 30m, 2h or 3d ago, or a date such as 2026-11-28 or 2026-11-28T18:30 (UTC)`,
		);
	return Math.max(0, at);
}

/** Selects dead letters by the given arguments. Throws {@link UsageError} for an argument that would select nothing. */
export function selected(given: Arguments): Selection {
	const { destination, reason, person, name, since } = given;
	// An empty variable of a script must not select something else.
	for (const [option, value] of Object.entries({ destination, reason, person, name })) {
		if (value?.trim() === "") throw new UsageError(`--${option} is empty: see eventferry deadletters --help`);
	}
	return {
		ids: idsOf(given, "a dead letter"),
		...{ destination, reason, person, name },
		since: since === undefined ? undefined : readTime(since, Date.now()),
	};
}

export const isEverything = (selection: Selection): boolean =>
	Object.values(selection).every((part) => part === undefined);

const namesSchema = z
	.object({ destinations: z.record(z.string(), z.unknown()) })
	.transform(({ destinations }) => Object.keys(destinations));

/** Checks the name of a destination; asks the proxy for those that are not providers. Throws {@link UsageError}. */
export async function checkDestination({ destination, url }: Arguments): Promise<void> {
	if (destination === undefined || providerNames.some((name) => name === destination)) return;
	const own = await ask(url, { key: "EVENTFERRY_ADMIN_TOKEN", answer: namesSchema, path: "/admin/stats" });
	if (own.includes(destination)) return;
	const all = [...new Set([...providerNames, ...own])];
	const meant = didYouMean(destination, all);
	throw new UsageError(`there is no destination "${destination}", only ${all.join(", ")}${meant}`);
}
