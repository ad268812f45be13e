import { describe, expect, it } from "vitest";
import { createHold } from "../../../server/delivery/hold.ts";

const daily = { requests: 10_000, per: "day" } as const;
const perMinute = { requests: 120, per: "minute" } as const;

describe("a destination", () => {
	it("waits as long as the provider asks", () => {
		const hold = createHold(daily);
		hold.wait("rate_limited", 7_000, 1_000);
		expect(hold.state()).toEqual({ kind: "waiting", reason: "rate_limited", until: 8_000 });
	});

	it("with a limit per minute waits for the rest of the minute if the provider names no time", () => {
		const hold = createHold(perMinute);
		hold.wait("too_many_requests", undefined, 60_000 + 45_000);
		expect(hold.until()).toBe(120_000);
	});

	it("with a daily limit waits 30 s, doubling to 15 min while its probes are refused", () => {
		const hold = createHold(daily);
		const waits = [];
		let now = 0;
		for (let probe = 0; probe < 7; probe += 1) {
			hold.wait("quota", undefined, now);
			waits.push((hold.until() - now) / 1_000);
			now = hold.until();
		}
		expect(waits).toEqual([30, 60, 120, 240, 480, 900, 900]);
	});

	it("pauses 30 s when its credentials are refused, then sends one probe, and runs again once the probe is answered", () => {
		const hold = createHold(daily);
		hold.pause("invalid_session", 0);
		expect([hold.until(), hold.probing()]).toEqual([30_000, true]);
		hold.answered(30_000);
		expect([hold.until(), hold.probing(), hold.state()]).toEqual([0, false, { kind: "running" }]);
	});

	it("is neither released nor held longer by requests that were under way when its hold began", () => {
		const hold = createHold(daily);
		hold.wait("quota", 60_000, 0);
		hold.wait("quota", 60_000, 1);
		hold.answered(2);
		hold.failed(1, "timeout", 3);
		hold.pause("invalid_session", 4);
		expect(hold.state()).toEqual({ kind: "waiting", reason: "quota", until: 60_000 });
	});

	it("is suspected of an outage after ten failures in a row from at least three people", () => {
		const hold = createHold(daily);
		for (let failure = 0; failure < 9; failure += 1) hold.failed(failure % 3, "http_500", 0);
		expect(hold.isSuspect()).toBe(false);
		hold.failed(0, "http_500", 0);
		expect([hold.isSuspect(), hold.state().kind]).toEqual([true, "running"]);
		hold.answered(0);
		expect(hold.isSuspect()).toBe(false);
	});

	it("is not suspected for failures of one or two people, nor for failures with an answer between them", () => {
		const hold = createHold(daily);
		for (let failure = 0; failure < 50; failure += 1) hold.failed(failure % 2, "http_500", 0);
		for (let failure = 0; failure < 50; failure += 1) {
			if (failure % 9 === 0) hold.answered(0);
			hold.failed(failure, "http_500", 0);
			expect(hold.isSuspect()).toBe(false);
		}
	});

	it("is paused longer after a probe that fails", () => {
		const hold = createHold(daily);
		hold.pause("invalid_session", 0);
		hold.failed(1, "timeout", 30_000);
		expect(hold.state()).toEqual({ kind: "paused", reason: "timeout", until: 90_000 });
	});

	it("is paused longer if nothing is delivered after a probe that succeeded", () => {
		const hold = createHold(daily);
		hold.pause("http_403", 0);
		hold.released(30_000);
		expect(hold.state().kind).toBe("running");
		const later = createHold(daily, hold.stored());
		later.pause("http_403", 30_000);
		expect(later.state()).toMatchObject({ until: 90_000 });
		later.released(90_000);
		later.answered(90_000);
		expect(later.stored()).toBeUndefined();
	});

	describe("paused by an operator", () => {
		it("stays paused whatever is answered, and through the store, until it is resumed", () => {
			const before = createHold(daily);
			before.pauseByOperator(5);
			before.pauseByOperator(9);
			const hold = createHold(daily, before.stored());
			hold.answered(10);
			hold.wait("quota", 1, 11);
			hold.answered(60_000);
			expect([hold.state(), hold.until()]).toEqual([
				{ kind: "paused", reason: "operator", since: 5 },
				Number.POSITIVE_INFINITY,
			]);
			hold.resume(60_001);
			expect([hold.state(), hold.until(), hold.stored()]).toEqual([{ kind: "running" }, 0, undefined]);
		});

		it("goes on with the limit that the provider named before, once it is resumed", () => {
			const hold = createHold(daily);
			hold.wait("quota", 60_000, 0);
			hold.pauseByOperator(1);
			hold.resume(2);
			expect(hold.state()).toEqual({ kind: "waiting", reason: "quota", until: 60_000 });
		});
	});

	it("that paused by itself is probed at once when an operator resumes it", () => {
		const hold = createHold(daily);
		hold.pause("invalid_session", 0);
		hold.resume(7);
		expect([hold.until(), hold.probing(), hold.isPaused()]).toEqual([7, true, true]);
	});
});
