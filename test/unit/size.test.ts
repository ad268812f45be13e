import { expect, test } from "vitest";
import { size } from "../../server/config/size.ts";
import { sizeText } from "../../shared/size.ts";

test.each([
	[0, "0"],
	[1_023, "1023"],
	[1_024, "1k"],
	[1_572_864, "1.5M"],
	[536_870_912, "512M"],
	[4_294_967_296, "4G"],
	[5_497_558_138_880, "5120G"],
])("%d bytes are shown as %s, which the configuration reads as the same size", (bytes, text) => {
	expect(sizeText(bytes)).toBe(text);
	expect(size(0, "too small").parse(text)).toBe(bytes);
});

test("a size is shown with one decimal at most", () => expect(sizeText(4_295_123_456)).toBe("4G"));
