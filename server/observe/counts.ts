import type { InboundNotice } from "../inbound/index.ts";
import type { IngestNotice } from "../ingest/ingest.ts";

/** Counts since the start, for `GET /admin/stats`: events taken in, and web hooks by their outcome. */
export function createCounts() {
	const counts = {
		accepted: 0,
		rejected: 0,
		bots: 0,
		hooks_taken: 0,
		hooks_repeated: 0,
		hooks_unknown_event: 0,
		hooks_other_account: 0,
		hooks_nobody: 0,
	};
	return {
		counts: counts as Readonly<Record<string, number>>,
		ingested(notice: IngestNotice): void {
			if (notice.kind === "bots") counts.bots += notice.events;
			else {
				counts.accepted += notice.accepted;
				counts.rejected += notice.rejected.length;
			}
		},
		reported({ outcome }: InboundNotice): void {
			counts[`hooks_${outcome}`] += 1;
		},
	};
}
