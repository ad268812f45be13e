/** Freezes itself while it holds the lock of fan-out in the database at a URL, and the server writes an answer to it. */
import { connect, type Row } from "../../server/outbox/postgres/connection.ts";
import { tryLockWriting } from "../../server/outbox/postgres/schema.ts";

const database = await connect(process.argv[2] ?? "");
await database.transaction(async (run) => {
	for (let lock: Row | undefined; lock?.is_ours !== true; ) [lock] = await run(tryLockWriting);
	const rows = run("SELECT repeat('x', 1000000) FROM generate_series(1, 200)");
	setImmediate(() => process.kill(process.pid, "SIGSTOP"));
	await rows;
});
