import type { Outcome, Removal, Send } from "./provider.ts";

function removalOf(outcome: Outcome): Removal {
	if (outcome.kind === "delivered") return { kind: "deleted" };
	if (outcome.kind === "unknownPerson") return { kind: "not_found" };
	const { reason, status } = outcome;
	if (outcome.kind === "rejected" && reason === "unknown_person") return { kind: "not_found" };
	return { kind: "failed", reason, status };
}

/**
 * Deletes the profiles at these paths, one after the other. Goes on after a failure and returns the first one, but stops
 * at a `wait`: no further request would be sent.
 */
export async function removeAll(paths: readonly string[][], send: Send): Promise<Removal> {
	let result: Removal = { kind: "not_found" };
	for (const path of paths) {
		const outcome = await send({ purpose: "remove", method: "DELETE", path, ifDelivered: {} });
		const removal = removalOf(outcome);
		if (result.kind !== "failed" && removal.kind !== "not_found") result = removal;
		if (outcome.kind === "wait") break;
	}
	return result;
}
