import { useCallback, useEffect, useState } from "preact/hooks";
import { codeOf } from "./api.ts";

/**
 * Calls `load`, which must stay the same function, `everyMs` after each answer, except while the page is hidden. Returns
 * the last answer, the code of the last call's error, and `reload`, which calls `load` now.
 */
export function usePolled<Value>(load: () => Promise<Value>, everyMs: number) {
	const [state, setState] = useState<{ value?: Value | undefined; error?: string }>({});
	const [asked, setAsked] = useState(0);
	// `asked` is listed so that a reload starts the polling anew.
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
