import { useCallback, useEffect, useState } from "preact/hooks";
import { ApiError } from "./api.ts";

export interface Polled<Value> {
	/** The last answer, kept while later requests fail. */
	value?: Value;
	/** The error code of the last request, if it failed. */
	error?: string;
	/** Requests again now. */
	reload(): void;
}

/** Calls `load` every `everyMs` after its last answer, except while the page is hidden. `load` must not change. */
export function usePolled<Value>(load: () => Promise<Value>, everyMs: number): Polled<Value> {
	const [state, setState] = useState<{ value?: Value; error?: string }>({});
	const [asked, setAsked] = useState(0);
	// A reload starts the polling anew
	useEffect(() => {
		let isOver = false;
		let timer: ReturnType<typeof setTimeout> | undefined;
		async function ask(): Promise<void> {
			clearTimeout(timer);
			if (!document.hidden) {
				try {
					const value = await load();
					if (!isOver) setState({ value });
				} catch (error) {
					const code = error instanceof ApiError ? error.code : "unreachable";
					if (!isOver) setState(({ value }) => ({ ...(value !== undefined && { value }), error: code }));
				}
			}
			if (!isOver) timer = setTimeout(ask, everyMs);
		}
		const look = () => void (document.hidden || ask());
		document.addEventListener("visibilitychange", look);
		void ask();
		return () => {
			isOver = true;
			clearTimeout(timer);
			document.removeEventListener("visibilitychange", look);
		};
	}, [load, everyMs, asked]);
	return { ...state, reload: useCallback(() => setAsked((times) => times + 1), []) };
}
