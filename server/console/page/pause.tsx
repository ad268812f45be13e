import { useState } from "preact/hooks";
import type { DestinationNumbers } from "../../../shared/admin.ts";
import { type Api, codeOf } from "./api.ts";
import { QuestionDialog } from "./question-dialog.tsx";
import { errorWords } from "./words.ts";

interface Props {
	api: Api;
	name: string;
	numbers: DestinationNumbers;
	/** Called when the destination was paused or resumed. */
	onChange(): void;
}

/** Buttons that pause a destination, once that is confirmed, resume it, or try it again. */
export function Pause({ api, name, numbers: { title, state, pausedAt }, onChange }: Props) {
	const [isAsking, setAsking] = useState(false);
	const [isBusy, setBusy] = useState(false);
	const [message, setMessage] = useState("");

	async function order(verb: "pause" | "resume"): Promise<void> {
		setBusy(true);
		setMessage(
			await api[verb](name).then(
				() => "",
				(error) => `${errorWords(codeOf(error))} Try again.`,
			),
		);
		setBusy(false);
		onChange();
	}
	const button = (words: string, work: () => void) => (
		<button type="button" disabled={isBusy} aria-label={`${words} ${title}`} onClick={work}>
			{words}
		</button>
	);
	return (
		<div class="buttons">
			{pausedAt === undefined && button("Pause", () => setAsking(true))}
			{pausedAt !== undefined && button("Resume", () => void order("resume"))}
			{pausedAt === undefined && state === "paused" && button("Try now", () => void order("resume"))}
			<span role="status">{message}</span>
			{isAsking && (
				<QuestionDialog
					text={`Pause ${title}? It gets no requests until you resume it, on any proxy of this store. Its events wait, at most as long as its maxWait (7 days unless configured).`}
					no="Cancel"
					yes="Pause"
					isDanger={false}
					onYes={() => void order("pause")}
					onClose={() => setAsking(false)}
				/>
			)}
		</div>
	);
}
