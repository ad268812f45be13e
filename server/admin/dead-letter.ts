import type { DeadLetterView } from "../../shared/admin.ts";
import { parseJson } from "../http/exact-json.ts";
import type { DeadLetter } from "../outbox/outbox.ts";
import type { StoredEvent } from "../stored-event.ts";

/** A dead letter as operators see it. Tokens never get this far; the person is theirs to see. */
export function deadLetterView({ body, site: _site, ...letter }: DeadLetter): DeadLetterView {
	return { ...letter, event: (parseJson(body) as StoredEvent).event };
}
