import type { Outcome, Removal, Send } from "./provider.ts";

function removalOf(outcome: Outcome): Removal {
	if (outcome.kind === "delivered") return { kind: "deleted" };
	if (outcome.kind === "unknownPerson") return { kind: "not_found" };
	const { reason, status } = outcome;
	if (outcome.kind === "rejected" && reason === "unknown_person") return { kind: "not_found" };
	return { kind: "failed", reason, status };
}

/** Deletes the profiles at these paths, one after the other. Stops at the first failure. */
export async function removeAll(paths: readonly string[][], send: Send): Promise<Removal> {
	let result: Removal = { kind: "not_found" };
	for (const path of paths) {
		const removal = removalOf(await send({ purpose: "remove", method: "DELETE", path, ifDelivered: {} }));
		if (removal.kind === "failed") return removal;
		if (removal.kind === "deleted") result = removal;
	}
	return result;
}
