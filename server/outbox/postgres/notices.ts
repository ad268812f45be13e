import { setTimeout as delay } from "node:timers/promises";
import { type Database, limitSession } from "./connection.ts";

const channel = "eventferry";
/** Delay before listening again after the connection was lost. */
const againMs = 2_000;

/**
 * Listens to the notices of other processes, https://www.postgresql.org/docs/current/sql-notify.html. They only save
 * time: without them, as behind a pooler, each process finds news at its next beat.
 */
export function createNotices({ client }: Pick<Database, "client">, self: string, onNotice: () => void) {
	const closing = new AbortController();

	/** Listens until the connection ends; resolves to false if notices cannot arrive on it. */
	async function listen(): Promise<boolean> {
		const listening = client();
		const ended = new Promise<void>((done) => {
			listening.on("error", () => done());
			listening.on("end", done);
			closing.signal.addEventListener("abort", () => done(), { once: true });
		});
		listening.on("notification", ({ payload }) => {
			if (payload !== self) onNotice();
		});
		try {
			await listening.connect();
			// A pooler lends its connections to several clients: LISTEN has no effect, and a later notice confuses the pooler.
			if (!(await limitSession(listening))) return false;
			await listening.query(`LISTEN ${channel}`);
			onNotice();
			await ended;
			return true;
		} finally {
			await listening.end().catch(() => {});
		}
	}

	async function keepListening(): Promise<void> {
		while (!closing.signal.aborted) {
			// The next beat reports why the database cannot be reached.
			if (!(await listen().catch(() => true))) return;
			await delay(againMs, undefined, { signal: closing.signal }).catch(() => {});
		}
	}

	const listened = keepListening();
	return {
		async close(): Promise<void> {
			closing.abort();
			await listened;
		},
	};
}

/** Returns SQL that notifies the other processes once its transaction is committed. */
export const noticeFrom = (self: string): string => `pg_notify('${channel}', '${self}')`;
