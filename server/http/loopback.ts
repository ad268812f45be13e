/** Recognises URLs and origins on this machine. */
export function isLoopback(url: string): boolean {
	return URL.canParse(url) && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(new URL(url).hostname);
}
