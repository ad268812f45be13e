import { advanceBudget, type BudgetState, budgetSlotOf, budgetStateOf, budgetUseOf } from "../budget-window.ts";
import { type AdvanceRequest, budgetUseKeptMs } from "../outbox.ts";
import type { Shared } from "./shared.ts";

interface StoredBudget {
	version: number;
	state: BudgetState | undefined;
}

export type Budgets = ReturnType<typeof createBudgets>;

/**
 * Makes the budgets, which all processes share. A change is stored only if the budget is unchanged since it was read
 * (compare and swap): a lock would make the others wait for a process that stops in between.
 */
export function createBudgets({ database: { run }, destinations }: Pick<Shared, "database" | "destinations">) {
	/** Budgets as this process has stored them last. */
	const latest = new Map<number, StoredBudget>();
	/** Last `advance` of this process for each destination; the next one waits for it, so that they do not conflict. */
	const lastAdvances = new Map<number, Promise<unknown>>();

	async function read(id: number): Promise<StoredBudget> {
		const [row] = await run(
			"SELECT budget, window_start, used, tokens, refilled_at FROM eventferry.destination WHERE id = $1",
			[id],
		);
		if (!row) throw new Error(`the store has no destination with the number ${id}`);
		return { version: Number(row.budget), state: row.window_start === null ? undefined : budgetStateOf(row) };
	}

	/** Stores a budget and counts the requests taken; returns false if another process has changed it. */
	async function write(id: number, version: number, state: BudgetState, granted: number, now: number) {
		const rows = await run(
			`WITH taken AS (
				UPDATE eventferry.destination
				SET budget = budget + 1, window_start = $3, used = $4, tokens = $5, refilled_at = $6
				WHERE id = $1 AND budget = $2 RETURNING budget
			), counted AS (
				INSERT INTO eventferry.budget_use SELECT $1, $7, $8 FROM taken WHERE $8::integer > 0
				ON CONFLICT (destination, at) DO UPDATE SET used = budget_use.used + excluded.used
			) SELECT budget FROM taken`,
			[id, version, state.windowStart, state.used, state.tokens, state.refilledAt, budgetSlotOf(now), granted],
		);
		return rows.length > 0;
	}

	async function take(id: number, request: AdvanceRequest) {
		for (;;) {
			const found = latest.get(id) ?? (await read(id));
			latest.delete(id);
			const { state, advance } = advanceBudget(found.state, request);
			if (await write(id, found.version, state, advance.granted, request.now)) {
				latest.set(id, { version: found.version + 1, state });
				return advance;
			}
		}
	}

	return {
		async advance(request: AdvanceRequest) {
			const id = await destinations.id(request.destination);
			const taking = (lastAdvances.get(id) ?? Promise.resolve()).then(() => take(id, request));
			const ended = taking.catch(() => {});
			lastAdvances.set(id, ended);
			return taking;
		},

		async budgetUse({ since }: { since: number }) {
			const rows = await run(
				`SELECT site, name AS destination, at, budget_use.used FROM eventferry.budget_use
				JOIN eventferry.destination ON destination.id = budget_use.destination
				WHERE at >= $1 ORDER BY site, name, at`,
				[since],
			);
			return rows.map(budgetUseOf);
		},

		/** Deletes old counts of requests, and counts of the future, which a wrong clock wrote. */
		async sweepBudgetUse(now: number): Promise<void> {
			await run("DELETE FROM eventferry.budget_use WHERE at < $1 OR at > $2", [now - budgetUseKeptMs, now]);
		},
	};
}
