const units = [
	["day", 86_400_000],
	["hour", 3_600_000],
	["minute", 60_000],
	["second", 1_000],
] as const;

/** How long something takes, in its largest unit: `3 minutes`. */
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

/** The time of day: of today with seconds, of another day with its date. */
export function timeOf(at: number): string {
	const isToday = new Date(at).toDateString() === new Date().toDateString();
	return (isToday ? clock : day).format(at);
}

/** Hours and minutes, for a plot of a day. */
export const minuteOf = (at: number): string => minute.format(at);

/** How long a request took. */
export const tookOf = (ms: number): string => (ms < 1_000 ? `${ms}\u00a0ms` : `${(ms / 1_000).toFixed(1)}\u00a0s`);
