import type { DatabaseSync } from "node:sqlite";

export type Transactions = ReturnType<typeof createTransactions>;

/** Transactions of a database, and of what is kept in memory beside it: that is undone where they are. */
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

	const transactions = {
		isOpen: () => db.isTransaction,
		/** Has something undone if what is done now is rolled back. */
		onRollback(undo: () => void): void {
			if (db.isTransaction) undos.push(undo);
		},
		beforeCommit(work: () => void): void {
			beforeCommits.push(work);
		},
		begin(): void {
			db.exec("BEGIN IMMEDIATE");
		},
		/** Rolls back, and throws, what cannot be committed. */
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
		/** Alone undone if it throws, unless SQLite gave up the whole transaction: that is for the caller to roll back. */
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
		transaction<Result>(work: () => Result): Result {
			transactions.begin();
			try {
				const result = work();
				transactions.commit();
				return result;
			} catch (error) {
				rollback();
				throw error;
			}
		},
	};
	return transactions;
}
