import { useEffect, useRef, useState } from "preact/hooks";
import { drawPlot, type Slots } from "./plot.ts";
import { minuteOf } from "./times.ts";

interface Props {
	slots: Slots;
	/** Words above the plot. */
	caption: string;
	/** The whole plot in a sentence, for readers who cannot see it. */
	sentence: string;
	/** Words for the numbers of one slot. */
	wordsAt(slot: number): string;
}

/** Plots the numbers of a day. While the pointer is on a slot, tells its numbers. */
export function DayPlot({ slots, caption, sentence, wordsAt }: Props) {
	const place = useRef<HTMLDivElement>(null);
	const [pointed, setPointed] = useState<number>();
	const drawn = JSON.stringify(slots);
	// Redraws when the numbers change, not whenever their objects are new.
	useEffect(() => (place.current ? drawPlot(place.current, slots, setPointed) : undefined), [drawn]);
	const at = pointed === undefined ? undefined : slots.starts[pointed];
	return (
		<figure>
			<figcaption>
				{at === undefined || pointed === undefined
					? caption
					: `${minuteOf(at)} to ${minuteOf(at + slots.stepMs)}: ${wordsAt(pointed)}`}
			</figcaption>
			<div ref={place} class="plot" role="img" aria-label={sentence} />
		</figure>
	);
}
