import type { Lease } from "../outbox/outbox.ts";
import type { Outcome } from "../providers/provider.ts";
import type { createAcceptances } from "./acceptances.ts";
import type { Context } from "./context.ts";
import type { GroupHold } from "./group-hold.ts";
import type { Probe } from "./probe.ts";

type Acceptances = ReturnType<typeof createAcceptances>;

/** Tells refusals and limits of one event from those of the destination. */
export function createDoubts({ signal, now }: Context, hold: GroupHold, probe: Probe, acceptances: Acceptances) {
	const isWell = async (): Promise<boolean> => !signal.aborted && (await probe.succeeds());

	/** Tells whether a refusal is of one event: by the provider's probe or, without one, by the people refused in turn. */
	const isOwnRefusal = async (person: string): Promise<boolean> =>
		probe.exists ? isWell() : !signal.aborted && !acceptances.refusedPerson(person);

	/**
	 * Tells whether a limit, with or without a time, is of one lane alone. Without a probe it is if the lane meets it again
	 * while others are accepted.
	 */
	async function isOwnLimit(hasTime: boolean, purpose: string, lane: number, isProbe: boolean): Promise<boolean> {
		const isRunning = isProbe || hold.state().kind === "running";
		// Guard (SECURITY.md): limit-of-event
		const isDoubtful = isRunning && acceptances.mayBeOfLane(purpose, lane, { isAfterWait: isProbe, hasTime });
		return acceptances.isLimitOfLane(lane, isDoubtful && (!probe.exists || (await isWell())), now());
	}

	const isLimit = (outcome: Outcome) => outcome.kind === "wait" && !outcome.isUnsure;

	return {
		/** Tells whether an outcome is a limit, rather than a refusal or no limit at all. */
		isLimit,

		/** Tells whether enough speaks against an event, refused since a time, to give it up after five attempts. */
		isFault: (outcome: Outcome, purpose: string, lane: number, since: number): boolean =>
			(probe.exists || !isLimit(outcome)) && acceptances.hasOther(purpose, lane, since),

		/** Tells whether a refusal or limit is of this event alone. */
		isOfEvent(outcome: Outcome, purpose: string, { lane, person }: Lease, isProbe: boolean): Promise<boolean> {
			if (outcome.kind === "wait" && !outcome.isUnsure)
				return isOwnLimit(!probe.exists || outcome.forMs !== undefined, purpose, lane, isProbe);
			return isOwnRefusal(person);
		},
	};
}
