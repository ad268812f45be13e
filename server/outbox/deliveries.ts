/**
 * One event of a bundle, owed to a destination. The deliveries that a lane owes of one bundle are stored together,
 * packed, in an *entry*.
 */
export interface Delivery {
	/** Place of the event in the bundle. */
	place: number;
	rank: number;
	reserved: boolean;
	trusted: boolean;
	/** True for an event that always takes a request of its own. */
	alone: boolean;
	/** True for an event that is of no worth once it has waited too long: it is discarded then, and no dead letter. */
	lapses: boolean;
	/** True for an event that is worth a profile: it ends the wait of a lane for one. */
	earns: boolean;
}

/** An event of a bundle: its delivery, the destinations that are each owed one, and what differs at some of them. */
export interface Routed {
	delivery: Delivery;
	route: readonly string[];
	exceptions?: Readonly<Record<string, Partial<Delivery>>> | undefined;
}

/** Returns a delivery as it is at one destination. Naming each field takes a fraction of the time of a spread. */
const deliveryAt = (
	{ place, rank, reserved, trusted, alone, lapses, earns }: Delivery,
	own: Partial<Delivery>,
): Delivery => ({
	place,
	rank: own.rank ?? rank,
	reserved,
	trusted,
	alone: own.alone ?? alone,
	lapses: own.lapses ?? lapses,
	earns: own.earns ?? earns,
});

/**
 * Groups the deliveries of a bundle by destination, in the order of the events. Destinations that are owed the same share
 * one list.
 */
export function byDestination(events: readonly Routed[]): Map<string, readonly Delivery[]> {
	const [head] = events;
	if (head && events.every(({ route, exceptions }) => route === head.route && exceptions === undefined)) {
		const all = events.map(({ delivery }) => delivery);
		return new Map(head.route.map((name) => [name, all]));
	}
	const owed = new Map<string, Delivery[]>();
	for (const { delivery, route, exceptions } of events) {
		for (const name of route) {
			const exception = exceptions && Object.hasOwn(exceptions, name) ? exceptions[name] : undefined;
			const own = exception ? deliveryAt(delivery, exception) : delivery;
			const others = owed.get(name);
			if (others) others.push(own);
			else owed.set(name, [own]);
		}
	}
	return owed;
}

/** Length of a packed delivery, in bytes: two for the place, one for the rank, one for the flags. */
export const deliverySize = 4;
const highestRank = 0xff;

/** Flag of a delivery that may spend the reserve, in its last byte. */
export const reservedFlag = 1;
const trustedFlag = 4;
/** Flag of an `alone` delivery, in its last byte. */
export const aloneFlag = 2;
const lapsesFlag = 8;
/** Flag of a delivery that `earns`, in its last byte. */
export const earnsFlag = 16;
type Flags = Pick<Delivery, "reserved" | "trusted" | "alone" | "lapses" | "earns">;
export const flagsOf = ({
	reserved,
	trusted,
	alone,
	lapses,
	earns,
}: { [Name in keyof Flags]?: boolean | undefined }): number =>
	(reserved ? reservedFlag : 0) |
	(alone ? aloneFlag : 0) |
	(trusted ? trustedFlag : 0) |
	(lapses ? lapsesFlag : 0) |
	(earns ? earnsFlag : 0);
/** Reads whether an event is trusted. Those of version 0.1.0 have no flag for it, but may spend the reserve. */
export const isTrusted = (flags: number): boolean => (flags & (reservedFlag | trustedFlag)) > 0;
export const readFlags = (flags: number): Flags => ({
	reserved: (flags & reservedFlag) > 0,
	trusted: isTrusted(flags),
	alone: (flags & aloneFlag) > 0,
	lapses: (flags & lapsesFlag) > 0,
	earns: (flags & earnsFlag) > 0,
});

export function packDeliveries(deliveries: readonly Delivery[]): Uint8Array {
	const packed = new Uint8Array(deliveries.length * deliverySize);
	let offset = 0;
	for (const delivery of deliveries) {
		const { place, rank } = delivery;
		packed[offset] = place & 0xff;
		packed[offset + 1] = place >> 8;
		packed[offset + 2] = Math.min(rank, highestRank);
		packed[offset + 3] = flagsOf(delivery);
		offset += deliverySize;
	}
	return packed;
}

/** Unpacks deliveries one by one, as the first few are often enough. */
export function* deliveriesIn(packed: Uint8Array): IterableIterator<Delivery> {
	for (let offset = 0; offset < packed.length; offset += deliverySize) {
		const [low = 0, high = 0] = [packed[offset], packed[offset + 1]];
		const flags = readFlags(packed[offset + 3] ?? 0);
		yield { place: low + (high << 8), rank: packed[offset + 2] ?? highestRank, ...flags };
	}
}

export const unpackDeliveries = (packed: Uint8Array): Delivery[] => [...deliveriesIn(packed)];

export const sizeToCount = (bytes: number): number => bytes / deliverySize;
export const countPacked = (packed: Uint8Array): number => sizeToCount(packed.length);
/** Splits packed deliveries after the `first` ones, without copying. */
export const splitPacked = (packed: Uint8Array, first: number): [Uint8Array, Uint8Array] => [
	packed.subarray(0, first * deliverySize),
	packed.subarray(first * deliverySize),
];

export function bestPacked(packed: Uint8Array): number {
	let best = highestRank;
	for (let offset = 2; offset < packed.length; offset += deliverySize)
		best = Math.min(best, packed[offset] ?? highestRank);
	return best;
}

export const bestRank = (deliveries: readonly Delivery[]): number =>
	deliveries.reduce((best, { rank }) => Math.min(best, rank), highestRank);
