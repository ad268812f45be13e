/**
 * Recognises a text that stays one segment of a URL's path, even where a gateway decodes the path once more and resolves
 * it anew: `x%2F..%2Fy` is one segment to us, and another path there.
 */
// Guard (SECURITY.md): path-segment
export const isPathSegment = (text: string): boolean =>
	text.isWellFormed() && !/[/\\%?#\p{Cc}]|^\s*(?:\.{1,2}\s*)?(?:;|$)/u.test(text);

/** Reason why a text that is no path segment is not sent, as dead letters state it. */
export const unbuildable = "the person's address cannot be part of a URL";
