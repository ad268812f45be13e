import { useEffect, useState } from "preact/hooks";
import type { LiveDelivery } from "../../../shared/admin.ts";
import type { Api } from "./api.ts";
import { addressOf, type Link } from "./link.ts";
import { Pill } from "./pill.tsx";
import { timeOf, tookOf } from "./times.ts";
import type { Show, View } from "./view.ts";
import { counted, eventWords, outcomeWords, reasonWords, type Titles } from "./words.ts";

/** Maximum number of rows on the page. */
const maxRows = 200;
/** First and longest wait before the page connects again, ms. */
const minWaitMs = 1_000;
const maxWaitMs = 30_000;

interface Row extends LiveDelivery {
	key: number;
}

/** Follows the live stream and connects again when it ends. Shows new rows once a frame. */
function useLive(api: Api, isShown: boolean): { rows: Row[]; isConnected: boolean } {
	const [rows, setRows] = useState<Row[]>([]);
	const [isConnected, setConnected] = useState(false);
	useEffect(() => {
		const leaving = new AbortController();
		let last = 0;
		let shown: Row[] = [];
		let frame = 0;
		async function follow(): Promise<void> {
			let waitMs = minWaitMs;
			while (!leaving.signal.aborted) {
				// Each connection begins with the latest requests.
				shown = [];
				await api
					.live(
						isShown,
						(line) => {
							setConnected(true);
							waitMs = minWaitMs;
							if (line.kind !== "delivery") return;
							last += 1;
							shown = [{ ...line, key: last }, ...shown].slice(0, maxRows);
							frame ||= requestAnimationFrame(() => {
								frame = 0;
								setRows(shown);
							});
						},
						leaving.signal,
					)
					.catch(() => {});
				if (leaving.signal.aborted) return;
				setConnected(false);
				await new Promise((done) => setTimeout(done, waitMs));
				waitMs = Math.min(2 * waitMs, maxWaitMs);
			}
		}
		void follow();
		return () => {
			leaving.abort();
			cancelAnimationFrame(frame);
		};
	}, [api, isShown]);
	return { rows, isConnected };
}

function What({ row: { events, count }, link }: { row: LiveDelivery; link: Link }) {
	const [first] = events;
	if (!first) return null;
	return (
		<>
			<a href={addressOf({ ...link, event: first.id })} title="Its journey, and what was sent and answered">
				<bdi>{eventWords(first)}</bdi>
			</a>
			{count > 1 && <span class="quiet"> and {counted(count - 1, "other")}</span>}
		</>
	);
}

function LiveRow({ row, titles, link, show }: { row: Row; titles: Titles; link: Link; show: Show }) {
	const { at, person, destination, request, outcome, status, reason, ms } = row;
	const why = outcome !== "delivered" && outcome !== "unknownPerson" && reason !== undefined;
	return (
		<tr class={outcomeWords[outcome][1]}>
			<td class="when">
				<time dateTime={new Date(at).toISOString()}>{timeOf(at)}</time>
			</td>
			<td class="what">
				<What row={row} link={link} />
			</td>
			<td class="who">
				{/* Rows from before the switch may name people. */}
				<bdi>{show.person(person)}</bdi>
			</td>
			<td class="where">{titles(destination)}</td>
			<td class="request">
				<code>{request}</code>
			</td>
			<td class="outcome">
				<span class="answer">
					<Pill words={outcomeWords[outcome]} /> <span class="quiet">{status}</span>
				</span>
				{why && (
					<span class="why">
						<bdi>{reasonWords(reason)}</bdi>
					</span>
				)}
			</td>
			<td class="took">{tookOf(ms)}</td>
		</tr>
	);
}

/** Shows requests to providers as they happen. */
export function Live({ api, titles, link, show }: View) {
	const { rows, isConnected } = useLive(api, show.isOpen);
	const [frozen, setFrozen] = useState<Row[]>();
	const shown = frozen ?? rows;
	return (
		<section aria-labelledby="live-title">
			<div class="heading">
				<h2 id="live-title">
					Live <span class={isConnected ? "dot on" : "dot"} aria-hidden="true" />
				</h2>
				<p class="quiet" role="status">
					{isConnected ? "Requests as they are sent, newest first." : "Not connected. Trying again."}
				</p>
				<button type="button" aria-pressed={frozen !== undefined} onClick={() => setFrozen(frozen ? undefined : rows)}>
					{frozen ? "Resume" : "Pause"}
				</button>
			</div>
			{shown.length === 0 ? (
				<p class="card empty">Nothing has been sent lately. New requests appear here.</p>
			) : (
				// A scrollable region must be focusable for keyboards:
				// https://dequeuniversity.com/rules/axe/4.4/scrollable-region-focusable
				// biome-ignore lint/a11y/noNoninteractiveTabindex: see above
				<section class="card table" aria-label="Requests, the newest first" tabIndex={0}>
					<table>
						<thead>
							<tr>
								{["When", "What", "Who", "Where", "Request", "Outcome", "Took"].map((column) => (
									<th key={column} scope="col">
										{column}
									</th>
								))}
							</tr>
						</thead>
						<tbody>
							{shown.map((row) => (
								<LiveRow key={row.key} row={row} titles={titles} link={link} show={show} />
							))}
						</tbody>
					</table>
				</section>
			)}
		</section>
	);
}
