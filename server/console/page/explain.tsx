import { useRef, useState } from "preact/hooks";
import type { Explanation } from "../../../shared/admin.ts";
import { codeOf, detailOf } from "./api.ts";
import { Json } from "./json.tsx";
import { createShow, type View } from "./view.ts";
import { count, counted, errorWords, reasonWords } from "./words.ts";

const example = '{ "type": "track", "name": "purchase", "data": { "total": 12 } }';

/** The event is the operator's own. */
const asWritten = createShow(true);

type Explained = Explanation["destinations"][string];

/** Sums up what becomes of the event at a destination, and which rules decided. */
function sentenceOf({ sent, as, because, by, reason, ends }: Explained): string {
	if (!sent) return `Not sent: ${reason === undefined ? because : reasonWords(reason)}.`;
	const name = as?.name === undefined ? "" : ` “${as.name}”`;
	const marks = [
		as?.digest && "may be merged",
		as?.rank && `ranks as ${as.rank}`,
		as?.expires && `expires after ${as.expires}`,
	];
	const rules = Object.entries(by).flatMap(([part, rule]) => (part === "send" ? [] : [`${part} by ${rule}`]));
	const all = [`Sent as ${as?.type}${name}`, ...marks, because, ...rules].filter(Boolean).join(", ");
	if (ends === "waits") return `${all}. Then it waits for an event that is worth a contact.`;
	return ends === "delivered" ? `${all}.` : `${all}. Then given up: ${reasonWords(reason ?? "")}.`;
}

function Destination({ explained }: { explained: Explained }) {
	const { title, note, requests, cost, budget } = explained;
	return (
		<li>
			<h3>{title}</h3>
			<p>
				<bdi>{sentenceOf(explained)}</bdi> {note !== undefined && `Note: ${note}.`}
			</p>
			<ol>
				{requests.map(({ request, body, answer }) => (
					<li key={request + JSON.stringify(body) + answer}>
						<code>
							<bdi>{request}</bdi>
						</code>
						{answer === "unknown_person" && <span class="quiet"> · answered: nobody found</span>}
						{body && <Json value={body} what="what would be sent" show={asWritten} />}
					</li>
				))}
			</ol>
			{requests.length > 0 && (
				<p class="quiet">
					Costs {counted(cost, "request")} of {count(budget.requests)} a {budget.per}.
				</p>
			)}
		</li>
	);
}

/** Explains what an event would cause at each destination. */
export function Explain({ api }: Pick<View, "api">) {
	const input = useRef<HTMLTextAreaElement>(null);
	const [explanation, setExplanation] = useState<Explanation>();
	const [flaw, setFlaw] = useState("");

	async function submit(event: SubmitEvent): Promise<void> {
		event.preventDefault();
		setExplanation(undefined);
		setFlaw("");
		try {
			setExplanation(await api.explain(JSON.parse(input.current?.value.trim() || example)));
		} catch (error) {
			setFlaw(error instanceof SyntaxError ? "This is not JSON." : (detailOf(error) ?? errorWords(codeOf(error))));
		}
	}

	return (
		<section aria-labelledby="explain-title">
			<h2 id="explain-title">What would be sent</h2>
			<form class="card" onSubmit={(event) => void submit(event)}>
				<label for="explained">
					An event, as JSON. Shows its requests for a person who is not known yet, and sends nothing.
				</label>
				<textarea id="explained" ref={input} rows={3} placeholder={example} spellcheck={false} />
				<button type="submit">Explain</button>
				<p class="quiet" role="status">
					{flaw}
				</p>
				{explanation && (
					<ul class="explained">
						{Object.entries(explanation.destinations).map(([name, explained]) => (
							<Destination key={name} explained={explained} />
						))}
					</ul>
				)}
			</form>
		</section>
	);
}
