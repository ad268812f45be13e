import { useEffect, useRef } from "preact/hooks";

interface ConfirmProps {
	question: string;
	/** The label of the confirming button. */
	yes: string;
	onYes(): void;
	onClose(): void;
}

/** A dialog before an action that cannot be undone. */
export function Confirm({ question, yes, onYes, onClose }: ConfirmProps) {
	const dialog = useRef<HTMLDialogElement>(null);
	useEffect(() => dialog.current?.showModal(), []);
	return (
		<dialog ref={dialog} onClose={onClose} aria-labelledby="question">
			<p id="question">{question}</p>
			<div class="buttons">
				<button type="button" autofocus onClick={() => dialog.current?.close()}>
					Keep
				</button>
				<button
					type="button"
					class="danger"
					onClick={() => {
						dialog.current?.close();
						onYes();
					}}
				>
					{yes}
				</button>
			</div>
		</dialog>
	);
}
