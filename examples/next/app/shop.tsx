"use client";

import { useTracker } from "eventferry/react";
import type { FormEvent } from "react";
import type { ShopEvents } from "./tracking";

export function Shop() {
	const { track, login, confirmation } = useTracker<ShopEvents>();
	function submit(event: FormEvent<HTMLFormElement>) {
		event.preventDefault();
		const email = String(new FormData(event.currentTarget).get("email"));
		login({ email, attributes: { plan: "pro" } });
	}
	return (
		<>
			<button type="button" onClick={() => track("basket:item:added", { product: "iPhone X" })}>
				Add an iPhone X
			</button>
			<form onSubmit={submit}>
				<input type="email" name="email" aria-label="E-mail" />
				<button type="submit">Log in</button>
			</form>
			<button type="button" onClick={() => confirmation({ orderId: "A-1001", total: 99.9 })}>
				Buy
			</button>
		</>
	);
}
