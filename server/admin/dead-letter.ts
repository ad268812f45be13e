import type { DeadLetterView } from "../../shared/admin.ts";
import { parseJson } from "../http/exact-json.ts";
import type { DeadLetter } from "../outbox/outbox.ts";
import type { StoredEvent } from "../stored-event.ts";

/** Shows a dead letter to operators, who may see its person. Its event has no token: ingest has removed it. */
export function deadLetterView({ body, site: _site, ...letter }: DeadLetter): DeadLetterView {
	return { ...letter, event: (parseJson(body) as StoredEvent).event };
}
