import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A connection to somewhere else that can be made to misbehave. */
export interface Relay {
	port: number;
	/** Ends what is open, and takes nothing new. */
	cut(): void;
	/** Passes nothing on, and says nothing of it. */
	freeze(): void;
	/** Passes each piece on so much later. */
	slow(ms: number): void;
	/** Behaves again. */
	heal(): void;
	stop(): Promise<void>;
}

/** Listens on a free port, and passes on to another. */
export async function startRelay(to: number): Promise<Relay> {
	const open = new Set<Socket>();
	let mode: "pass" | "cut" | "freeze" = "pass";
	let delayMs = 0;

	function pass(from: Socket, into: Socket): void {
		from.on("data", (piece) => {
			if (mode === "freeze") return void from.pause();
			setTimeout(() => into.writable && into.write(piece), delayMs);
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
			// What was frozen has lost pieces: it is of no use any more.
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
