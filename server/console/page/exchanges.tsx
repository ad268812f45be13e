import { useEffect, useState } from "preact/hooks";
import type { ExchangeReply } from "../../../shared/admin.ts";
import { type Api, codeOf } from "./api.ts";
import { Json } from "./json.tsx";
import { timeOf } from "./times.ts";
import { createShow, type Show } from "./view.ts";
import { errorWords, type Titles } from "./words.ts";

interface Props {
	api: Api;
	/** Id of the event. */
	event: string;
	titles: Titles;
	show: Show;
}

/** The proxy masks the bodies itself, so that they are shown here as they come. */
const asTheyCome = createShow(true);

function List({ api, event, titles, show: { isOpen } }: Props) {
	const [reply, setReply] = useState<ExchangeReply>();
	const [code, setCode] = useState<string>();
	useEffect(() => {
		let isOver = false;
		setCode(undefined);
		api.exchanges(event, isOpen).then(
			(loaded) => isOver || setReply(loaded),
			(error) => isOver || setCode(codeOf(error)),
		);
		return () => {
			isOver = true;
		};
	}, [api, event, isOpen]);
	if (code !== undefined) return <p role="alert">Not loaded. {errorWords(code)}</p>;
	// An answer from before the switch may show people.
	if (!reply || reply.isMasked === isOpen) return <p class="quiet">Loading…</p>;
	if (reply.exchanges.length === 0) {
		return (
			<p class="quiet">
				Nothing remembered: this proxy has sent no request for it since {timeOf(reply.since)}, or has sent many others
				since.
			</p>
		);
	}
	return (
		<>
			<p class="quiet">
				{reply.isMasked ? "Masked: “Show people” shows all. " : ""}Without credentials. Kept in this proxy’s memory
				only.
			</p>
			<ol class="exchanges">
				{reply.exchanges.map(({ at, destination, request, sent, answer, status }) => (
					<li key={`${at} ${destination} ${request}`}>
						<p>
							{timeOf(at)} · {titles(destination)} · <code>{request}</code>
						</p>
						{sent !== undefined && <Json value={sent} what="what was sent" show={asTheyCome} />}
						<p>Answered {status ?? "without a status"}</p>
						{answer !== undefined && <Json value={answer} what="what was answered" show={asTheyCome} />}
					</li>
				))}
			</ol>
		</>
	);
}

/** Shows what was sent for an event and what was answered, once it is opened. */
export function Exchanges(props: Props) {
	const [isOpen, setOpen] = useState(false);
	return (
		<details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
			<summary>What was sent and answered</summary>
			{isOpen && <List {...props} />}
		</details>
	);
}
