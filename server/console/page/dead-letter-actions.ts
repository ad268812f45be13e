import { useCallback, useState } from "preact/hooks";
import type { Api, Selection } from "./api.ts";
import type { Question } from "./confirm.tsx";
import { counted } from "./words.ts";

/** Replays and discards dead letters, with the message to show meanwhile and the question to ask before. */
export function useDeadLetterActions(api: Api, onChange: () => void) {
	const [message, setMessage] = useState("");
	const [isBusy, setBusy] = useState(false);
	const [question, setQuestion] = useState<Question>();

	const change = useCallback(
		async (kind: "replay" | "discard", which: Selection) => {
			const done = (count: number) =>
				kind === "replay" ? `${counted(count, "event")} will be sent again.` : `${counted(count, "event")} discarded.`;
			setBusy(true);
			setMessage("Working…");
			try {
				const count = await api[kind](which, (soFar) => setMessage(`Working… ${counted(soFar, "event")} so far`));
				setMessage(done(count));
			} catch {
				setMessage("That did not work: the proxy or its store does not answer. Try again.");
			}
			setBusy(false);
			onChange();
		},
		[api, onChange],
	);

	return {
		message,
		isBusy,
		question,
		replay: (which: Selection) => void change("replay", which),
		/** Asks for confirmation first. */
		discard: (which: Selection, what: string) =>
			setQuestion({
				text: `Discard ${what}? It is deleted for good and cannot be brought back.`,
				yes: "Discard",
				onYes: () => void change("discard", which),
			}),
		answered: useCallback(() => setQuestion(undefined), []),
	};
}
