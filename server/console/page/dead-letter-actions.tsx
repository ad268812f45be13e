import { useState } from "preact/hooks";
import { type Api, codeOf, type Selection } from "./api.ts";
import { QuestionDialog } from "./question-dialog.tsx";
import { agesWords, counted, errorWords } from "./words.ts";

/** A change that the page asks about before it is made. */
interface Question {
	kind: "replay" | "discard";
	which: Selection;
	text: string;
}

/** Replays and discards dead letters. Returns also the message to show, and the dialog that asks first. */
export function useDeadLetterActions(api: Api, onChange: () => void) {
	const [message, setMessage] = useState("");
	const [isBusy, setBusy] = useState(false);
	const [question, setQuestion] = useState<Question>();

	/** Shows the message that `work` resolves to, or that it failed. */
	async function tell(work: () => Promise<string>): Promise<void> {
		setMessage("Working…");
		setMessage(await work().catch((error) => `${errorWords(codeOf(error))} Try again.`));
	}

	async function change({ kind, which }: Question): Promise<void> {
		setBusy(true);
		await tell(async () => {
			const count = await api.change(kind, which, (soFar) => setMessage(`Working… ${counted(soFar, "event")} so far`));
			return `${counted(count, "event")} ${kind === "replay" ? "will be sent again" : "discarded"}.`;
		});
		setBusy(false);
		onChange();
	}

	/** Says how old the events are, and asks for confirmation. */
	async function askReplay(which: Selection, what: string): Promise<string> {
		const ages = await api.ages(which);
		if (ages.count === 0) return "There is nothing to replay any more.";
		const warning = "The provider takes replayed events for new: its automations may write to people.";
		setQuestion({ kind: "replay", which, text: `Replay ${what}? ${agesWords(ages, Date.now())} ${warning}` });
		return "";
	}

	/** Says how many events are deleted, and asks for confirmation. */
	async function askDiscard(which: Selection, what: string): Promise<string> {
		const ages = "ids" in which ? { count: 1 } : await api.ages(which);
		if (ages.count === 0) return "There is nothing to discard any more.";
		const events = `${"isAtLeast" in ages && ages.isAtLeast ? "At least " : ""}${counted(ages.count, "event")}`;
		const are = ages.count === 1 ? "is" : "are";
		const text = `Discard ${what}? ${events} ${are} deleted for good and cannot be brought back.`;
		setQuestion({ kind: "discard", which, text });
		return "";
	}

	return {
		message,
		isBusy,
		/** Asks for confirmation first. */
		replay: (which: Selection, what: string) => void tell(() => askReplay(which, what)),
		/** Asks for confirmation first. */
		discard: (which: Selection, what: string) => void tell(() => askDiscard(which, what)),
		dialog: question && (
			<QuestionDialog
				text={question.text}
				{...(question.kind === "replay" ? { no: "Cancel", yes: "Replay" } : { no: "Keep", yes: "Discard" })}
				isDanger={question.kind === "discard"}
				onYes={() => void change(question)}
				onClose={() => setQuestion(undefined)}
			/>
		),
	};
}

export type DeadLetterActions = ReturnType<typeof useDeadLetterActions>;

interface ButtonsProps {
	actions: DeadLetterActions;
	which: Selection;
	/** Name of the selected dead letters. */
	what: string;
	/** Label of the buttons after the verb, for a list; default "all". */
	label?: string;
	isDisabled?: boolean;
}

/** Buttons that replay or discard one dead letter or, if `which` has no ids, all of a list. */
export function DeadLetterButtons({ actions, which, what, label = "all", isDisabled = false }: ButtonsProps) {
	const isOne = "ids" in which;
	const disabled = actions.isBusy || isDisabled;
	const labelled = (verb: string) => ({ disabled, "aria-label": isOne ? `${verb} ${what}` : `${verb} ${label}` });
	const named = isOne ? `“${what}”` : what;
	return (
		<div class="buttons">
			<button type="button" {...labelled("Replay")} onClick={() => actions.replay(which, named)}>
				{isOne || label !== "all" ? "Replay" : "Replay all"}
			</button>
			<button type="button" {...labelled("Discard")} class="danger" onClick={() => actions.discard(which, named)}>
				{isOne || label !== "all" ? "Discard" : "Discard all"}
			</button>
		</div>
	);
}
