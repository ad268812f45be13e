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

const hourCycle = "h23";
const minutes = { hour: "2-digit", minute: "2-digit", hourCycle } as const;
const clock = new Intl.DateTimeFormat(undefined, { ...minutes, second: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { ...minutes, day: "numeric", month: "short" });
const minute = new Intl.DateTimeFormat(undefined, minutes);

/** Writes a time: with seconds if it is today, else with its date. */
export function timeOf(at: number): string {
	const isToday = new Date(at).toDateString() === new Date().toDateString();
	return (isToday ? clock : day).format(at);
}

/** Writes hours and minutes, for the plot of a day. */
export const minuteOf = (at: number): string => minute.format(at);

/** Writes the duration of a request. */
export const tookOf = (ms: number): string => (ms < 1_000 ? `${ms}\u00a0ms` : `${(ms / 1_000).toFixed(1)}\u00a0s`);
