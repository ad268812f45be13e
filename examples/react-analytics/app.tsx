import type { FormEvent } from "react";
import { analytics } from "./analytics";

export function App() {
	function logIn(event: FormEvent<HTMLFormElement>) {
		event.preventDefault();
		const email = String(new FormData(event.currentTarget).get("email"));
		analytics().identify(null, { email, plan: "pro" });
	}
	return (
		<>
			<button type="button" onClick={() => analytics().track("basket:item:added", { product: "iPhone X" })}>
				Add an iPhone X
			</button>
			<form onSubmit={logIn}>
				<input type="email" name="email" aria-label="E-mail" />
				<button type="submit">Log in</button>
			</form>
			<button
				type="button"
				onClick={() => analytics().track("Order Completed", { order_id: "A-1001", revenue: 99.9, products: [] })}
			>
				Buy
			</button>
			<button type="button" onClick={() => analytics().reset()}>
				Log out
			</button>
		</>
	);
}
