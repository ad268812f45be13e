import { describe, expect, it } from "vitest";
import {
	bestPacked,
	bestRank,
	byDestination,
	countPacked,
	type Delivery,
	packDeliveries,
	splitPacked,
	unpackDeliveries,
} from "../../../server/outbox/deliveries.ts";

const delivery = (place: number, more: Partial<Delivery> = {}): Delivery => ({
	place,
	rank: 2,
	reserved: false,
	trusted: false,
	alone: false,
	lapses: false,
	earns: false,
	...more,
});

it("a bundle's deliveries are grouped by destination, in the order of its events", () => {
	const [first, second, third] = [delivery(0), delivery(1), delivery(2)];
	const owed = byDestination([
		{ delivery: first, route: ["crisp", "vibetrace"] },
		{ delivery: second, route: [] },
		{ delivery: third, route: ["crisp"] },
	]);
	expect([...owed]).toEqual([
		["crisp", [first, third]],
		["vibetrace", [first]],
	]);
});

it("a delivery has its own rank and flags where its event has an exception, and nowhere else", () => {
	const owed = byDestination([
		{
			delivery: delivery(0, { alone: true }),
			route: ["crisp", "constructor", "vibetrace"],
			exceptions: { crisp: { rank: 7, alone: false }, vibetrace: { lapses: true } },
		},
	]);
	expect([...owed]).toEqual([
		["crisp", [delivery(0, { rank: 7 })]],
		["constructor", [delivery(0, { alone: true })]],
		["vibetrace", [delivery(0, { alone: true, lapses: true })]],
	]);
});

describe("packed deliveries", () => {
	const deliveries = [
		delivery(0, { reserved: true, trusted: true }),
		delivery(300, { alone: true, trusted: true, lapses: true }),
		delivery(301, { earns: true }),
		delivery(65_535, { rank: 1, reserved: true, trusted: true, alone: true }),
	];
	const packed = packDeliveries(deliveries);

	it("are the same after unpacking", () => {
		expect(unpackDeliveries(packed)).toEqual(deliveries);
		expect(countPacked(packed)).toBe(4);
	});

	it("that version 0.1.0 stored are trusted if they may spend the reserve", () => {
		expect(unpackDeliveries(Uint8Array.of(0, 0, 2, 1, 1, 0, 2, 0))).toEqual([
			delivery(0, { reserved: true, trusted: true }),
			delivery(1),
		]);
	});

	it("yield the best rank without unpacking", () => {
		expect(bestPacked(packed)).toBe(1);
		expect(bestRank(deliveries)).toBe(1);
	});

	it("are split without unpacking", () => {
		const [first, rest] = splitPacked(packed, 1);
		expect(unpackDeliveries(first)).toEqual(deliveries.slice(0, 1));
		expect(unpackDeliveries(rest)).toEqual(deliveries.slice(1));
	});
});
