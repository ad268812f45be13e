import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** TCP relay that can be made to misbehave. */
export interface Relay {
	port: number;
	/** Resets all connections and refuses new ones. */
	cut(): void;
	/** Passes no data on, but keeps connections open. */
	freeze(): void;
	/** Delays all data by `ms`. */
	slow(ms: number): void;
	/** Ends all misbehaviour. */
	heal(): void;
	stop(): Promise<void>;
}

/** Starts a relay from a free port to the port `to`. */
export async function startRelay(to: number): Promise<Relay> {
	const open = new Set<Socket>();
	let mode: "pass" | "cut" | "freeze" = "pass";
	let delayMs = 0;

	function pass(from: Socket, into: Socket): void {
		from.on("data", (chunk) => {
			if (mode === "freeze") return void from.pause();
			setTimeout(() => into.writable && into.write(chunk), delayMs);
		});
		from.on("error", () => {});
		from.on("close", () => {
			open.delete(from);
			into.destroy();
		});
		open.add(from);
	}

	const server = createServer((near) => {
		if (mode === "cut") return void near.resetAndDestroy();
		const far = connect(to, "127.0.0.1");
		pass(near, far);
		pass(far, near);
	}).listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	if (typeof address !== "object" || !address) throw new Error("the relay has no port");

	function endAll(): void {
		for (const socket of open) socket.resetAndDestroy();
	}
	return {
		port: address.port,
		cut() {
			mode = "cut";
			endAll();
		},
		freeze() {
			mode = "freeze";
		},
		slow(ms) {
			delayMs = ms;
		},
		heal() {
			// End frozen connections, because they have lost data.
			if (mode === "freeze") endAll();
			mode = "pass";
			delayMs = 0;
		},
		async stop() {
			endAll();
			server.close();
			await once(server, "close");
		},
	};
}
