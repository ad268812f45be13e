import type { Peer } from "../peer.ts";

/** Baseline without a tracker: the least cost of storing and sending each event. */
export default {
	name: "bare IndexedDB",
	source: `
		const opening = indexedDB.open("probe");
		opening.onupgradeneeded = () => opening.result.createObjectStore("events", { autoIncrement: true });
		let waiting = [];
		let timer;
		window.track = (mark) => {
			const event = { name: "basket:item:added", at: Date.now(), data: { product: "iPhone X", mark } };
			opening.result.transaction("events", "readwrite").objectStore("events").put(event);
			waiting.push(event);
			timer ??= setTimeout(() => {
				fetch("/probe", { method: "POST", body: JSON.stringify(waiting) });
				waiting = [];
				timer = undefined;
			}, 1000);
		};
	`,
} satisfies Peer;
