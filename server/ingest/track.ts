import { randomUUID } from "node:crypto";
import type { Event } from "../../shared/event.ts";
import { parseJson } from "../http/exact-json.ts";
import type { Ingest, IngestSite } from "./ingest.ts";

type WithoutStamp<Each> = Each extends Event ? Omit<Each, "id" | "at"> & { id?: string; at?: number } : never;
/** An event of the backend. `id` and `at`, the capture time in ms, are filled in if they are absent. */
export type BackendEvent = WithoutStamp<Event>;

/** Makes `proxy.track`, with which the backend sends one event without HTTP. */
export function createTrack(sites: readonly IngestSite[], accept: Ingest["accept"]) {
	return async (event: BackendEvent, { writeKey }: { writeKey?: string } = {}): Promise<void> => {
		const site = sites.find((each) => each.writeKey === (writeKey ?? sites[0]?.writeKey));
		if (!site) throw new TypeError("no site has this write key");
		const stamped = parseJson(JSON.stringify({ id: randomUUID(), at: Date.now(), ...event }));
		const { rejected } = await accept(site, [stamped]);
		const [refusal] = rejected;
		if (refusal) throw new TypeError(`${refusal.code}: ${refusal.message}`);
	};
}
