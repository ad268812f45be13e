import { useState } from "preact/hooks";

/** Copies a text. Pages without TLS have no clipboard of their own; there, a selected text is copied. */
async function copy(text: string): Promise<boolean> {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		const area = document.createElement("textarea");
		area.value = text;
		document.body.append(area);
		area.select();
		const isCopied = document.execCommand("copy");
		area.remove();
		return isCopied;
	}
}

/** A button that copies a text and says so. `what` names the text for those who hear the page. */
export function Copy({ text, what }: { text: string; what: string }) {
	const [words, setWords] = useState("");
	return (
		<span class="copy">
			<button
				type="button"
				aria-label={`Copy ${what}`}
				onClick={async ({ currentTarget }) => {
					setWords((await copy(text)) ? "Copied" : "Not copied: select it by hand");
					currentTarget?.focus();
				}}
			>
				Copy
			</button>{" "}
			<span role="status">{words}</span>
		</span>
	);
}
