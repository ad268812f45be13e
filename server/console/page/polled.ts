import { useCallback, useEffect, useState } from "preact/hooks";
import { ApiError } from "./api.ts";

export interface Polled<Value> {
	/** What was answered last; still there while a later question fails. */
	value?: Value;
	/** Why the last question failed. */
	error?: string;
	/** Asks again now. */
	reload(): void;
}

/** Asks again and again, every `everyMs` after the last answer, and not while nobody looks. `load` must stay the same. */
export function usePolled<Value>(load: () => Promise<Value>, everyMs: number): Polled<Value> {
	const [state, setState] = useState<{ value?: Value; error?: string }>({});
	const [asked, setAsked] = useState(0);
	// A new question starts anew
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
