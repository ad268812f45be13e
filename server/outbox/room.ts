import { StoreUnavailableError, storeFull, visitorsFull } from "./errors.ts";

/** The use of a store whose size is limited. */
export interface RoomUse {
	/** Bytes in use, without free space in the files. */
	used: number;
	/** Most bytes that may be in use. */
	max: number;
	/** True while the store has no more room for untrusted events. */
	isFull: boolean;
}

/** Part of a store that untrusted events may fill. The rest is for the backend, verified visitors and reports. */
// Guard (SECURITY.md): store-reserve
const untrustedShare = 4 / 5;
/** Part of a store that must become free before a full store takes events again, so that it does not change each moment. */
const slackShare = 1 / 64;
const slackMost = 1_048_576;
/** Part of a store that claims of untrusted events may always take, however much waits. */
const claimsShare = 1 / 8;

/** Number of rows that give way in a step, and of steps before a batch is stored. */
export const yieldSize = 100;
export const yieldSteps = 10;

/** Makes the limits of a store's size. */
export function createRoomLimits(max = Number.POSITIVE_INFINITY) {
	const slack = Math.min(max * slackShare, slackMost);
	const limits = { trusted: max, untrusted: max * untrustedShare };
	const isFull = { trusted: false, untrusted: false };

	/** Compares the bytes in use with a limit, which is lower for a store that was full before. */
	function isOver(used: number, kind: keyof typeof limits): boolean {
		isFull[kind] = used >= limits[kind] - (isFull[kind] ? slack : 0);
		return isFull[kind];
	}

	return {
		isLimited: max !== Number.POSITIVE_INFINITY,
		/** Bytes in use up to which nothing needs to give way and nothing is refused. */
		calm: limits.untrusted - slack,
		/** Bytes up to which claims of untrusted events never give way. */
		claims: max * claimsShare,
		/** Throws if the bytes in use leave no room for trusted or for untrusted events. */
		ensure(used: number, isTrusted: boolean): void {
			// Guard (SECURITY.md): store-size
			if (isOver(used, "trusted")) throw new StoreUnavailableError(storeFull);
			if (isOver(used, "untrusted") && !isTrusted) throw new StoreUnavailableError(visitorsFull);
		},
		use: (used: number): RoomUse => ({ used, max, isFull: isOver(used, "untrusted") }),
	};
}
