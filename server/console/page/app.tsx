import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { codeOf, createApi } from "./api.ts";
import { Board } from "./board.tsx";
import { SignIn } from "./sign-in.tsx";
import { rememberedToken, rememberToken } from "./token.ts";

/** Access of the operator. The page shows no data until it is "in". */
type Entry = "asking" | "in" | "out";

export function App() {
	const [token, setToken] = useState(rememberedToken);
	const [entry, setEntry] = useState<Entry>("asking");
	const [refusal, setRefusal] = useState<string>();
	const leave = useCallback(() => {
		rememberToken(undefined);
		setToken(undefined);
		setEntry("out");
	}, []);
	const api = useMemo(() => createApi(token, leave), [token, leave]);

	/** Tries to sign in with a token, or without one as in sandbox mode. */
	const enter = useCallback(async (given: string | undefined) => {
		try {
			await createApi(given, () => {}).stats();
		} catch (error) {
			const code = codeOf(error);
			// The board itself reports an unavailable store.
			if (code !== "store_unavailable") {
				setEntry("out");
				if (given !== undefined || code !== "invalid_admin_token") setRefusal(code);
				return;
			}
		}
		rememberToken(given);
		setToken(given);
		setRefusal(undefined);
		setEntry("in");
	}, []);

	useEffect(() => void enter(rememberedToken()), [enter]);

	if (entry === "asking") return <p class="loading">Loading…</p>;
	if (entry === "out") return <SignIn refusal={refusal} onToken={enter} />;
	return <Board api={api} onLeave={token === undefined ? undefined : leave} />;
}
