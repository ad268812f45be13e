/** Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
export const contentType = "text/plain; version=0.0.4; charset=utf-8";

type Labels<Label extends string> = Record<Label, string | number>;

/** A time series: its labels as they are written, and what it counts. */
interface Series<Value> {
	labels: string;
	value: Value;
}

/** Counts of a histogram: for each bucket, the values above the bound before and up to its own; and the sum of all. */
interface Distribution {
	buckets: number[];
	sum: number;
	count: number;
}

const escaped = (text: string) => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
const labelText = (name: string, value: string | number) =>
	`${name}="${escaped(String(value)).replaceAll('"', '\\"')}"`;
const written = (value: number) =>
	Number.isFinite(value) ? String(value) : `${value}`.replace(/^I/, "+I").replace("inity", "");
const inBraces = (labels: string[]) => (labels.some(Boolean) ? `{${labels.filter(Boolean).join(",")}}` : "");

/** Makes metrics, and writes them as text. A metric without labels is shown from the start, as 0. */
export function createRegistry(prefix: string) {
	const metrics: (() => string[])[] = [];

	/** Makes the time series of a metric, one for each combination of its labels. */
	function seriesOf<Label extends string, Value>(labelNames: readonly Label[], initial: () => Value) {
		const all = new Map<string, Series<Value>>();
		function find(labels: Labels<Label>): Series<Value> {
			const key = labelNames.map((name) => labels[name]).join("\n");
			const known = all.get(key);
			if (known) return known;
			const made = { labels: labelNames.map((name) => labelText(name, labels[name])).join(","), value: initial() };
			all.set(key, made);
			return made;
		}
		function reset(): void {
			all.clear();
			if (labelNames.length === 0) find({} as Labels<Label>);
		}
		reset();
		return { all, find, reset };
	}

	function add(name: string, help: string, type: string, lines: (full: string) => string[]): void {
		const full = `${prefix}${name}`;
		metrics.push(() => [`# HELP ${full} ${escaped(help)}`, `# TYPE ${full} ${type}`, ...lines(full)]);
	}

	const single =
		(type: "counter" | "gauge") =>
		<Label extends string = never>(name: string, help: string, labelNames: readonly Label[] = []) => {
			const { all, find, reset } = seriesOf(labelNames, () => 0);
			add(name, help, type, (full) =>
				[...all.values()].map(({ labels, value }) => `${full}${inBraces([labels])} ${written(value)}`),
			);
			return {
				inc(labels: Labels<Label>, by = 1): void {
					find(labels).value += by;
				},
				set(labels: Labels<Label>, value: number): void {
					find(labels).value = value;
				},
				/** Returns the value of the time series with these labels, which is made if there is none. */
				get: (labels: Labels<Label>): number => find(labels).value,
				reset,
			};
		};

	return {
		counter: single("counter"),
		gauge: single("gauge"),

		/** Makes a histogram with the upper bounds of its buckets, in ascending order. */
		histogram<Label extends string = never>(
			name: string,
			help: string,
			bounds: readonly number[],
			labelNames: readonly Label[] = [],
		) {
			const initial = (): Distribution => ({ buckets: bounds.map(() => 0), sum: 0, count: 0 });
			const { all, find } = seriesOf(labelNames, initial);
			add(name, help, "histogram", (full) =>
				[...all.values()].flatMap(({ labels, value: { buckets, sum, count } }) => {
					let below = 0;
					const lines = bounds.map((bound, place) => {
						below += buckets[place] ?? 0;
						return `${full}_bucket${inBraces([labelText("le", bound), labels])} ${below}`;
					});
					return [
						...lines,
						`${full}_bucket${inBraces([labelText("le", "+Inf"), labels])} ${count}`,
						`${full}_sum${inBraces([labels])} ${written(sum)}`,
						`${full}_count${inBraces([labels])} ${count}`,
					];
				}),
			);
			return {
				observe(labels: Labels<Label>, value: number): void {
					const { value: into } = find(labels);
					const place = bounds.findIndex((bound) => value <= bound);
					if (place >= 0) into.buckets[place] = (into.buckets[place] ?? 0) + 1;
					into.sum += value;
					into.count += 1;
				},
			};
		},

		/** Writes all metrics. */
		text: (): string => `${metrics.map((lines) => lines().join("\n")).join("\n\n")}\n`,
	};
}
