/** An event of a bundle that is owed, and what it asks of its lane. */
export interface Delivery {
	/** Which line of the bundle it is. */
	place: number;
	rank: number;
	reserved: boolean;
}

/** Bytes of a delivery on disk: its place in two, its rank, and whether it may spend the reserve. */
const size = 4;
const highestRank = 0xff;

/** What a lane owes of one bundle, in order, as it is kept on disk. */
export function packDeliveries(deliveries: Delivery[]): Uint8Array {
	const packed = new Uint8Array(deliveries.length * size);
	let offset = 0;
	for (const { place, rank, reserved } of deliveries) {
		packed[offset] = place & 0xff;
		packed[offset + 1] = place >> 8;
		packed[offset + 2] = Math.min(rank, highestRank);
		packed[offset + 3] = reserved ? 1 : 0;
		offset += size;
	}
	return packed;
}

export function unpackDeliveries(packed: Uint8Array): Delivery[] {
	return Array.from({ length: packed.length / size }, (_, index) => {
		const [low = 0, high = 0, rank = 0, reserved = 0] = packed.subarray(index * size, (index + 1) * size);
		return { place: low + (high << 8), rank, reserved: reserved === 1 };
	});
}

/** The rank of the best of them. */
export const bestRank = (deliveries: Delivery[]): number =>
	deliveries.reduce((best, { rank }) => Math.min(best, rank), highestRank);
