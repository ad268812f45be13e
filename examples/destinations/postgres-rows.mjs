// Adds each event as a row of PostgreSQL: npm install pg
//   CREATE TABLE events (id uuid PRIMARY KEY, at timestamptz, type text, person text, event json)
import { defineDestination } from "eventferry/server";
import pg from "pg";

const personOf = ({ email, userId }) => email ?? userId;
const insert = `INSERT INTO events SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::json[])
	ON CONFLICT (id) DO NOTHING`;

/** @param {string} connectionString URL of the database */
export function postgresRows(connectionString) {
	const pool = new pg.Pool({ connectionString, max: 2, query_timeout: 8_000, connectionTimeoutMillis: 8_000 });
	pool.on("error", () => {}); // the next query reports it
	const query = (...statement) => pool.query(...statement).then(() => ({ kind: "delivered" }));
	return defineDestination({
		batch: 100,
		budget: { requests: 1_000, per: "second" },
		send(events) {
			const column = (value) => events.map(value);
			const [ids, times] = [column(({ id }) => id), column(({ at }) => new Date(at))];
			const [types, people] = [column(({ name, type }) => name ?? type), column(({ person }) => personOf(person))];
			return query(insert, [ids, times, types, people, column((event) => JSON.stringify(event))]);
		},
		probe: () => query("SELECT FROM events LIMIT 1"),
		remove: ({ email, userId }) => query("DELETE FROM events WHERE person IN ($1, $2)", [email, userId]),
	});
}
