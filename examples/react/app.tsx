import { TrackerProvider, useTracker } from "eventferry/react";
import type { FormEvent } from "react";
import { type ShopEvents, tracker } from "./tracker";

function Product({ name }: { name: string }) {
	const { track } = useTracker<ShopEvents>();
	return (
		<button type="button" onClick={() => track("basket:item:added", { product: name })}>
			Add an {name}
		</button>
	);
}

function Account() {
	const { login, reset, confirmation } = useTracker<ShopEvents>();
	function submit(event: FormEvent<HTMLFormElement>) {
		event.preventDefault();
		const email = String(new FormData(event.currentTarget).get("email"));
		login({ email, attributes: { plan: "pro" } });
	}
	return (
		<>
			<form onSubmit={submit}>
				<input type="email" name="email" aria-label="E-mail" />
				<button type="submit">Log in</button>
			</form>
			<button type="button" onClick={() => confirmation({ orderId: "A-1001", total: 99.9 })}>
				Buy
			</button>
			<button type="button" onClick={reset}>
				Log out
			</button>
		</>
	);
}

export function App() {
	return (
		<TrackerProvider tracker={tracker}>
			<Product name="iPhone X" />
			<Account />
		</TrackerProvider>
	);
}
