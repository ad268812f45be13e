import type { BudgetHistory } from "../../shared/admin.ts";
import type { Observed } from "../observe/observed.ts";
import { budgetSlotMs } from "../outbox/outbox.ts";

const dayMs = 86_400_000;

/** Reads the numbers of requests taken from each budget in the last 24 hours. */
export async function budgetHistory({ outbox, deliveries, labelOf, now }: Observed): Promise<BudgetHistory> {
	const to = (Math.floor(now() / budgetSlotMs) + 1) * budgetSlotMs;
	const from = to - dayMs;
	const use = await outbox().budgetUse({ since: from });
	return {
		from,
		to,
		stepMs: budgetSlotMs,
		budgets: deliveries().map(({ destination: { site, name }, limits }) => ({
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
