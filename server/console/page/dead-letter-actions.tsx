import { useEffect, useRef, useState } from "preact/hooks";
import type { Api, Selection } from "./api.ts";
import { counted } from "./words.ts";

/** Replays and discards dead letters, with the message to show meanwhile and the dialog before a discard. */
export function useDeadLetterActions(api: Api, onChange: () => void) {
	const [message, setMessage] = useState("");
	const [isBusy, setBusy] = useState(false);
	const [discarding, setDiscarding] = useState<{ which: Selection; what: string }>();

	async function change(kind: "replay" | "discard", which: Selection): Promise<void> {
		setBusy(true);
		setMessage("Working…");
		try {
			const count = await api.change(kind, which, (soFar) => setMessage(`Working… ${counted(soFar, "event")} so far`));
			setMessage(`${counted(count, "event")} ${kind === "replay" ? "will be sent again" : "discarded"}.`);
		} catch {
			setMessage("That did not work: the proxy or its store does not answer. Try again.");
		}
		setBusy(false);
		onChange();
	}

	return {
		message,
		isBusy,
		replay: (which: Selection) => void change("replay", which),
		/** Asks for confirmation first. */
		discard: (which: Selection, what: string) => setDiscarding({ which, what }),
		dialog: discarding && (
			<DiscardDialog
				what={discarding.what}
				onDiscard={() => void change("discard", discarding.which)}
				onClose={() => setDiscarding(undefined)}
			/>
		),
	};
}

/** Asks before a discard, which cannot be undone. */
function DiscardDialog({ what, onDiscard, onClose }: { what: string; onDiscard(): void; onClose(): void }) {
	const dialog = useRef<HTMLDialogElement>(null);
	useEffect(() => dialog.current?.showModal(), []);
	const close = () => dialog.current?.close();
	function discard(): void {
		close();
		onDiscard();
	}
	return (
		<dialog ref={dialog} onClose={onClose} aria-labelledby="question">
			<p id="question">Discard {what}? It is deleted for good and cannot be brought back.</p>
			<div class="buttons">
				<button type="button" autofocus onClick={close}>
					Keep
				</button>
				<button type="button" class="danger" onClick={discard}>
					Discard
				</button>
			</div>
		</dialog>
	);
}

export type DeadLetterActions = ReturnType<typeof useDeadLetterActions>;

interface ButtonsProps {
	actions: DeadLetterActions;
	which: Selection;
	/** Names the selected dead letters. */
	what: string;
	isDisabled?: boolean;
}

/** Buttons that replay or discard one dead letter or, if `which` has no ids, all of a list. */
export function DeadLetterButtons({ actions, which, what, isDisabled = false }: ButtonsProps) {
	const isOne = "ids" in which;
	const disabled = actions.isBusy || isDisabled;
	const labelled = (verb: string) => ({ disabled, "aria-label": isOne ? `${verb} ${what}` : `${verb} all` });
	const discard = () => actions.discard(which, isOne ? `“${what}”` : what);
	return (
		<div class="buttons">
			<button type="button" {...labelled("Replay")} onClick={() => actions.replay(which)}>
				{isOne ? "Replay" : "Replay all"}
			</button>
			<button type="button" {...labelled("Discard")} class="danger" onClick={discard}>
				{isOne ? "Discard" : "Discard all"}
			</button>
		</div>
	);
}
