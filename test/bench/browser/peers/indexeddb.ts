import type { Peer } from "../peer.ts";

/**
 * Baseline without a tracker: the least cost of storing each event, sending all of them 5 s after the first while no
 * other tab does, and deleting them after the answer.
 */
export default {
	name: "bare IndexedDB",
	source: `
		const opening = indexedDB.open("probe");
		opening.onupgradeneeded = () => opening.result.createObjectStore("events", { keyPath: "mark" });
		const opened = new Promise((resolve) => { opening.onsuccess = () => resolve(opening.result); });
		const change = async (work) => work((await opened).transaction("events", "readwrite").objectStore("events"));
		let waiting = [];
		let timer;
		const send = async () => {
			const sent = waiting;
			waiting = [];
			timer = undefined;
			await (await fetch("/probe", { method: "POST", body: JSON.stringify(sent) })).text();
			await change((events) => sent.forEach(({ mark }) => events.delete(mark)));
		};
		const record = (event) => {
			void change((events) => events.put(event));
			waiting.push(event);
			timer ??= setTimeout(() => navigator.locks.request("probe", send), 5000);
		};
		window.view = () => record({ name: "page", at: Date.now(), mark: location.href });
		window.track = (mark) => record({ name: "basket:item:added", at: Date.now(), product: "iPhone X", mark });
	`,
} satisfies Peer;
