const units = [
	["day", 86_400_000],
	["hour", 3_600_000],
	["minute", 60_000],
	["second", 1_000],
] as const;

/** Writes a duration in its largest unit: `3 minutes`. */
export function duration(ms: number): string {
	const [unit, length] = units.find(([, each]) => ms >= each) ?? ["second", 1_000];
	const count = Math.max(0, Math.floor(ms / length));
	return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** Locale of all numbers and times: that of the page's words, so that none contradicts another. */
export const locale = "en-GB";
const hourCycle = "h23";
const minutes = { hour: "2-digit", minute: "2-digit", hourCycle } as const;
const clock = new Intl.DateTimeFormat(locale, { ...minutes, second: "2-digit" });
const day = new Intl.DateTimeFormat(locale, { ...minutes, day: "numeric", month: "short" });
const weekday = new Intl.DateTimeFormat(locale, { ...minutes, weekday: "long" });
const minute = new Intl.DateTimeFormat(locale, minutes);
const dayMs = 86_400_000;

/** Names the time zone of all times on the page: `Europe/Berlin, UTC+1`. */
export function timeZone(at: number): string {
	const { timeZone: name } = clock.resolvedOptions();
	const parts = new Intl.DateTimeFormat(locale, { timeZoneName: "shortOffset" }).formatToParts(at);
	const offset = parts.find(({ type }) => type === "timeZoneName")?.value.replace("GMT", "UTC") ?? "UTC";
	return name === offset ? name : `${name}, ${offset}`;
}

/** Writes a time to come, or a recent one: `14:00`, `Tuesday 14:00`, or with its date if it is six days or more away. */
export function whenOf(at: number, now: number): string {
	if (new Date(at).toDateString() === new Date(now).toDateString()) return minute.format(at);
	return (Math.abs(at - now) < 6 * dayMs ? weekday : day).format(at);
}

/** Writes a time: with seconds if it is today, else with its date. */
export function timeOf(at: number): string {
	const isToday = new Date(at).toDateString() === new Date().toDateString();
	return (isToday ? clock : day).format(at);
}

/** Writes hours and minutes, for the plot of a day. */
export const minuteOf = (at: number): string => minute.format(at);

/** Writes the duration of a request. */
export const tookOf = (ms: number): string => (ms < 1_000 ? `${ms}\u00a0ms` : `${(ms / 1_000).toFixed(1)}\u00a0s`);
