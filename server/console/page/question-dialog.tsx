import { useEffect, useRef } from "preact/hooks";

interface Props {
	text: string;
	/** Word of the button that changes nothing, which is chosen first. */
	no: string;
	/** Word of the button that makes the change. */
	yes: string;
	isDanger: boolean;
	onYes(): void;
	onClose(): void;
}

/** Asks before a change that may hurt or cannot be undone. */
export function QuestionDialog({ text, no, yes, isDanger, onYes, onClose }: Props) {
	const dialog = useRef<HTMLDialogElement>(null);
	useEffect(() => dialog.current?.showModal(), []);
	const close = () => dialog.current?.close();
	function agree(): void {
		close();
		onYes();
	}
	return (
		<dialog ref={dialog} onClose={onClose} aria-labelledby="question">
			<p id="question">{text}</p>
			<div class="buttons">
				<button type="button" autofocus onClick={close}>
					{no}
				</button>
				<button type="button" class={isDanger ? "danger" : "primary"} onClick={agree}>
					{yes}
				</button>
			</div>
		</dialog>
	);
}
