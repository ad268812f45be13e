import { Copy } from "./copy.tsx";
import type { Show } from "./view.ts";

interface Props {
	value: unknown;
	/** Name of the value, for the button that copies it. */
	what: string;
	show: Show;
	/** Texts that are not about a person. */
	plain?: readonly string[];
}

/** Shows JSON, masked unless people are shown, with a button that copies it as it is shown. */
export function Json({ value, what, show, plain = [] }: Props) {
	const text = typeof value === "string" && show.isOpen ? value : show.json(value, plain);
	return (
		<div class="json">
			{/* A scrollable text must be focusable for keyboards. */}
			{/* biome-ignore lint/a11y/noNoninteractiveTabindex: see above */}
			<pre tabIndex={0}>{text}</pre>
			<Copy text={text} what={what} />
		</div>
	);
}
