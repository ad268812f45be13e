import { advanceBudget, budgetSlotOf, budgetStateOf, budgetUseKeptMs, budgetUseOf } from "../budget-window.ts";
import type { AdvanceRequest } from "../outbox.ts";
import type { Shared } from "./shared.ts";

export type Budgets = ReturnType<typeof createBudgets>;

export function createBudgets({ run, get, all }: Shared) {
	return {
		advance(request: AdvanceRequest) {
			const { site, name } = request.destination;
			const row = get("SELECT * FROM budget WHERE site = ? AND destination = ?", [site, name]);
			const { state, advance } = advanceBudget(row && budgetStateOf(row), request);
			run("INSERT OR REPLACE INTO budget VALUES (?, ?, ?, ?, ?, ?)", [
				site,
				name,
				state.windowStart,
				state.used,
				state.tokens,
				state.refilledAt,
			]);
			if (advance.granted > 0) {
				run("INSERT INTO budget_use VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET used = used + excluded.used", [
					site,
					name,
					budgetSlotOf(request.now),
					advance.granted,
				]);
			}
			return advance;
		},

		budgetUse: ({ since }: { since: number }) =>
			all("SELECT * FROM budget_use WHERE at >= ? ORDER BY site, destination, at", [since]).map(budgetUseOf),

		/** Deletes old counts of requests, and counts of the future, which a wrong clock wrote. */
		sweepBudgetUse(now: number): void {
			run("DELETE FROM budget_use WHERE at < ? OR at > ?", [now - budgetUseKeptMs, now]);
		},
	};
}
