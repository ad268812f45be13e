import { useState } from "preact/hooks";
import { Mark } from "./mark.tsx";
import { errorWords } from "./words.ts";

const refusals: Record<string, string> = {
	invalid_admin_token: "That is not the admin token.",
	rate_limited: "Too many tries. Wait a minute, then try again.",
};

/** Asks for the admin token. */
export function SignIn({ refusal, onToken }: { refusal: string | undefined; onToken(token: string): Promise<void> }) {
	const [isAsking, setAsking] = useState(false);
	async function submit(event: SubmitEvent): Promise<void> {
		event.preventDefault();
		const input = String(new FormData(event.currentTarget as HTMLFormElement).get("token"));
		setAsking(true);
		// Replaces characters that no header can carry, so that the proxy refuses the token, not fetch:
		// https://fetch.spec.whatwg.org/#concept-header-value
		await onToken(input.trim().replace(/[^\x21-\x7e]/g, "?"));
		setAsking(false);
	}
	return (
		<main class="sign-in">
			<form class="card" onSubmit={submit}>
				<h1>
					<Mark /> Console
				</h1>
				<label for="token">Admin token</label>
				<input
					id="token"
					name="token"
					type="password"
					autocomplete="off"
					required
					autofocus
					aria-describedby="token-hint token-refusal"
					aria-invalid={refusal !== undefined}
				/>
				<p id="token-refusal" class="refusal" role="alert">
					{refusal !== undefined && (refusals[refusal] ?? `${errorWords(refusal)} Try again.`)}
				</p>
				<button type="submit" class="primary" disabled={isAsking}>
					Open the console
				</button>
				<p id="token-hint" class="hint">
					The value of <code>EVENTFERRY_ADMIN_TOKEN</code> on the server. If that is not set, nobody can sign in. This
					tab keeps the token until it is closed.
				</p>
			</form>
		</main>
	);
}
