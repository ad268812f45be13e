import { useCallback, useEffect, useState } from "preact/hooks";
import { codeOf } from "./api.ts";

/**
 * Calls `load` every `everyMs` after its last answer, except while the page is hidden. `load` must not change. `reload`
 * calls it now. Returns the last answer, also while later requests fail, and the code of the last request's error.
 */
export function usePolled<Value>(load: () => Promise<Value>, everyMs: number) {
	const [state, setState] = useState<{ value?: Value | undefined; error?: string }>({});
	const [asked, setAsked] = useState(0);
	// A reload starts the polling anew
	useEffect(() => {
		let isOver = false;
		let timer: ReturnType<typeof setTimeout> | undefined;
		async function ask(): Promise<void> {
			clearTimeout(timer);
			if (document.hidden) return;
			const answer = await load().then(
				(value) => ({ value }),
				(error) => ({ error: codeOf(error) }),
			);
			if (isOver) return;
			setState(({ value }) => ({ value, ...answer }));
			timer = setTimeout(ask, everyMs);
		}
		document.addEventListener("visibilitychange", ask);
		void ask();
		return () => {
			isOver = true;
			clearTimeout(timer);
			document.removeEventListener("visibilitychange", ask);
		};
	}, [load, everyMs, asked]);
	return { ...state, reload: useCallback(() => setAsked((times) => times + 1), []) };
}
