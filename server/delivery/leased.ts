import type { Lease } from "../outbox/outbox.ts";

/**
 * A lane under lease, in one of four stages:
 *
 *     ahead ──▶ busy ──▶ settling ──▶ removed
 *       └─────▶ returning ──────────────▲
 *
 * - `ahead`: leased, request not begun
 * - `busy`: request being planned or sent
 * - `settling`: request answered, settlement not on disk yet
 * - `returning`: given back without a request, not on disk yet
 */
export interface Leased {
	readonly lease: Lease;
	/** True if only lanes of the backend's events were leased. */
	readonly reservedOnly: boolean;
	stage: "ahead" | "busy" | "settling" | "returning";
	/** Time at which the stage `busy` began. */
	since: number;
	/** Resolves once the lease is settled. Absent while `ahead`. */
	done?: Promise<void>;
}
