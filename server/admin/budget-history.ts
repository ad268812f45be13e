import type { BudgetHistory } from "../../shared/admin.ts";
import { budgetSlotMs, type Outbox } from "../outbox/outbox.ts";
import type { RunningNow } from "./stats.ts";

const dayMs = 86_400_000;

/** Reads the requests that were taken from each budget in the last 24 hours. */
export async function budgetHistory(outbox: Outbox, { running, labelOf, now }: RunningNow): Promise<BudgetHistory> {
	const to = now - (now % budgetSlotMs) + budgetSlotMs;
	const from = to - dayMs;
	const use = await outbox.budgetUse({ since: from });
	return {
		from,
		to,
		stepMs: budgetSlotMs,
		budgets: running.map(({ destination: { site, name }, limits }) => ({
			site: labelOf(site),
			destination: name,
			limit: limits.cap,
			perMs: limits.windowMs,
			used: use
				.filter(({ destination }) => destination.site === site && destination.name === name)
				.map(({ at, used }) => ({ at, used })),
		})),
	};
}
