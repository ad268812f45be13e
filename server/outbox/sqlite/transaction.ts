import type { DatabaseSync } from "node:sqlite";

export type Transactions = ReturnType<typeof createTransactions>;

/** Makes transactions that also undo changes in memory when they are rolled back. */
export function createTransactions(db: DatabaseSync) {
	const undos: (() => void)[] = [];
	const undoFrom = (place: number) => {
		for (const undo of undos.splice(place).reverse()) undo();
	};
	const beforeCommits: (() => void)[] = [];

	function rollback(): void {
		if (db.isTransaction) db.exec("ROLLBACK");
		undoFrom(0);
	}

	return {
		isOpen: () => db.isTransaction,
		/** Registers a function that undoes a change in memory if the current work is rolled back. */
		onRollback(undo: () => void): void {
			if (db.isTransaction) undos.push(undo);
		},
		/** Registers work to do before each commit. */
		beforeCommit(work: () => void): void {
			beforeCommits.push(work);
		},
		begin(): void {
			db.exec("BEGIN IMMEDIATE");
		},
		/** Commits; rolls back and throws if that fails. */
		commit(): void {
			try {
				for (const work of beforeCommits) work();
				db.exec("COMMIT");
				undos.length = 0;
			} catch (error) {
				rollback();
				throw error;
			}
		},
		rollback,
		/**
		 * Runs work, which alone is undone if it throws. Some errors make SQLite roll back the whole transaction,
		 * https://sqlite.org/lang_transaction.html; so the caller must check `isOpen`.
		 */
		savepoint<Result>(work: () => Result): Result {
			const place = undos.length;
			db.exec("SAVEPOINT one");
			try {
				const result = work();
				db.exec("RELEASE one");
				return result;
			} catch (error) {
				if (db.isTransaction) {
					db.exec("ROLLBACK TO one; RELEASE one");
					undoFrom(place);
				}
				throw error;
			}
		},
	};
}
