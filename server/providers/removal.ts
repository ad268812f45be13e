import type { Admit, Outcome, PlannedRequest, Removal } from "./provider.ts";

/** Sends a request if it is admitted, else resolves to a failure with the reason. */
export async function admitted<Result>(
	admit: Admit,
	send: (signal: AbortSignal) => Promise<Result>,
): Promise<Result | Extract<Removal, { kind: "failed" }>> {
	const admission = await admit();
	return "refused" in admission ? { kind: "failed", reason: admission.refused } : send(admission.signal);
}

function removalOf(outcome: Outcome): Removal {
	if (outcome.kind === "delivered") return { kind: "deleted" };
	if (outcome.kind === "unknownPerson") return { kind: "not_found" };
	const { reason, status } = outcome;
	if (outcome.kind === "rejected" && reason === "unknown_person") return { kind: "not_found" };
	return { kind: "failed", reason, status };
}

/** Deletes the profiles at these paths, one after the other. Stops at the first failure. */
export async function removeAll(
	paths: readonly string[][],
	admit: Admit,
	send: (request: PlannedRequest, signal: AbortSignal) => Promise<Outcome>,
): Promise<Removal> {
	let result: Removal = { kind: "not_found" };
	for (const path of paths) {
		const request: PlannedRequest = { purpose: "remove", method: "DELETE", path, ifDelivered: {} };
		const removal = await admitted(admit, async (signal) => removalOf(await send(request, signal)));
		if (removal.kind === "failed") return removal;
		if (removal.kind === "deleted") result = removal;
	}
	return result;
}
