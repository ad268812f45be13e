import type { DatabaseSync } from "node:sqlite";

export type Transactions = ReturnType<typeof createTransactions>;

/** Makes transactions that also undo changes in memory when they are rolled back. */
export function createTransactions(db: DatabaseSync) {
	const undos: (() => void)[] = [];
	const undoFrom = (place: number) => {
		for (const undo of undos.splice(place).reverse()) undo();
	};
	const beforeCommits: (() => void)[] = [];
	const savepoint = db.prepare("SAVEPOINT one");
	const release = db.prepare("RELEASE one");
	/** True from `begin` to the end of the transaction. Asking the database takes longer than most changes in memory. */
	let hasBegun = false;

	function rollback(): void {
		if (db.isTransaction) db.exec("ROLLBACK");
		hasBegun = false;
		undoFrom(0);
	}

	return {
		isOpen: () => db.isTransaction,
		/** Registers a function that undoes a change in memory if the current work is rolled back. */
		onRollback(undo: () => void): void {
			if (hasBegun) undos.push(undo);
		},
		/** Registers work to do before each commit. */
		beforeCommit(work: () => void): void {
			beforeCommits.push(work);
		},
		begin(): void {
			db.exec("BEGIN IMMEDIATE");
			hasBegun = true;
		},
		/** Commits; rolls back and throws if that fails. */
		commit(): void {
			try {
				for (const work of beforeCommits) work();
				db.exec("COMMIT");
				hasBegun = false;
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
			savepoint.run();
			try {
				const result = work();
				release.run();
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
