import { useEffect, useRef } from "preact/hooks";

export interface Question {
	text: string;
	/** The label of the confirming button. */
	yes: string;
	onYes(): void;
}

/** A dialog before an action that cannot be undone. */
export function Confirm({ question, onClose }: { question: Question | undefined; onClose(): void }) {
	const dialog = useRef<HTMLDialogElement>(null);
	useEffect(() => {
		if (question) dialog.current?.showModal();
	}, [question]);
	if (!question) return null;
	return (
		<dialog ref={dialog} onClose={onClose} aria-labelledby="question">
			<p id="question">{question.text}</p>
			<div class="buttons">
				<button type="button" autofocus onClick={() => dialog.current?.close()}>
					Keep
				</button>
				<button
					type="button"
					class="danger"
					onClick={() => {
						dialog.current?.close();
						question.onYes();
					}}
				>
					{question.yes}
				</button>
			</div>
		</dialog>
	);
}
