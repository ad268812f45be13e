const units = ["", "k", "M", "G"];

/** Shows a size as the configuration takes it: a number, and k, M or G of 1,024. */
export function sizeText(bytes: number): string {
	const unit = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
	return `${Number((bytes / 1_024 ** unit).toFixed(1))}${units[unit]}`;
}
