/** Whether a URL or origin is on this machine: the only place where plain http may go. */
export function isLoopback(url: string): boolean {
	return URL.canParse(url) && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(new URL(url).hostname);
}
