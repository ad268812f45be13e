import type { DeadLetterGroups } from "../../../shared/admin.ts";
import type { Filter } from "./api.ts";
import type { Link } from "./link.ts";
import type { View } from "./view.ts";
import { reasonWords } from "./words.ts";

/** Periods that can be chosen, by their names in the page's address. */
const periods = {
	hour: ["the last hour", 3_600_000],
	day: ["the last day", 86_400_000],
	week: ["the last week", 7 * 86_400_000],
} as const satisfies Record<string, [string, number]>;
const periodOf = (since: string | undefined) => periods[since as keyof typeof periods];

/** Start of a period is rounded, so that the filter stays the same for a while, ms. */
const roundedMs = 60_000;

/** Makes the filter of the page's address. */
export function filterOf({ destination, reason, name, since }: Link, now: number): Filter {
	const period = periodOf(since);
	return {
		...(destination && { destination }),
		...(reason && { reason }),
		...(name && { name }),
		...(period && { since: Math.floor((now - period[1]) / roundedMs) * roundedMs }),
	};
}

/** Names the selected dead letters: `everything for Crisp named “sale”`. */
export function filterWords({ destination, reason, name, since }: Link, titles: View["titles"]): string {
	const words = [
		destination ? `for ${titles(destination)}` : "",
		reason ? `because ${reasonWords(reason)}` : "",
		name ? `named “${name}”` : "",
		periodOf(since) ? `from ${periodOf(since)?.[0]}` : "",
	].filter(Boolean);
	return words.length > 0 ? `everything ${words.join(", ")}` : "everything that could not be delivered";
}

interface Props extends Pick<View, "stats" | "link" | "go"> {
	/** Groups of all dead letters, whose reasons can be chosen. */
	groups: DeadLetterGroups["groups"];
}

/** Fields that choose dead letters by destination, reason, name of the event and time. */
export function DeadLetterFilters({ stats, link, go, groups }: Props) {
	const reasons = [...new Set([...groups.map(({ reason }) => reason), ...(link.reason ? [link.reason] : [])])];
	return (
		<div class="filters">
			<label>
				Destination{" "}
				<select
					value={link.destination ?? ""}
					onChange={({ currentTarget }) => go({ destination: currentTarget.value })}
				>
					<option value="">All</option>
					{Object.entries(stats?.destinations ?? {}).map(([name, { title }]) => (
						<option key={name} value={name}>
							{title}
						</option>
					))}
				</select>
			</label>
			<label>
				Reason{" "}
				<select value={link.reason ?? ""} onChange={({ currentTarget }) => go({ reason: currentTarget.value })}>
					<option value="">All</option>
					{reasons.map((reason) => (
						<option key={reason} value={reason}>
							{reasonWords(reason)}
						</option>
					))}
				</select>
			</label>
			<label>
				Last tried{" "}
				<select value={link.since ?? ""} onChange={({ currentTarget }) => go({ since: currentTarget.value })}>
					<option value="">At any time</option>
					{Object.entries(periods).map(([period, [words]]) => (
						<option key={period} value={period}>
							In {words}
						</option>
					))}
				</select>
			</label>
			<label>
				Event{" "}
				<input
					type="text"
					value={link.name ?? ""}
					placeholder="its name"
					autocomplete="off"
					maxLength={120}
					onChange={({ currentTarget }) => go({ name: currentTarget.value.trim() })}
				/>
			</label>
		</div>
	);
}
