import type { SetAsideView } from "../../shared/admin.ts";
import { scrub } from "../observe/log.ts";
import type { Observed } from "../observe/observed.ts";
import type { SetAsideBatch } from "../outbox/outbox.ts";

/** Shows a batch to operators. The reason may quote the batch, which names people. */
export function setAsideView({ site, reason, ...batch }: SetAsideBatch, labelOf: Observed["labelOf"]): SetAsideView {
	return { ...batch, ...(site !== undefined && { site: labelOf(site) }), reason: scrub(reason) };
}
