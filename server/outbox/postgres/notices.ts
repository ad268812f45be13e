import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "./connection.ts";

const channel = "eventferry";
/** How soon a connection that ended is made anew. */
const againMs = 2_000;

/**
 * Tells the other processes of the group that there is something new, and hears it from them. Only a help: where
 * nothing is heard, as behind a pooler, each process finds out at its next beat.
 */
export function createNotices({ client }: Pick<Database, "client">, self: string, onNotice: () => void) {
	const closing = new AbortController();

	/** Listens until the connection ends; resolves to false where that is no use. */
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
			// A pooler lends connections of its own, and stumbles over what one hears that is not lent just then.
			const { rows } = await listening.query("SELECT pg_backend_pid() AS pid");
			if (!("processID" in listening) || rows[0]?.pid !== listening.processID) return false;
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
			// Why it cannot listen the next beat will say: it needs the same database.
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

/** SQL that tells the others once its transaction is committed. */
export const noticeFrom = (self: string): string => `pg_notify('${channel}', '${self}')`;
