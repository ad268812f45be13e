/** Where the admin token is kept: in this tab, until it is closed. */
const key = "eventferry admin token";

/** Storage may be forbidden; then the token lasts until the page is left. */
let remembered: string | undefined;

export function rememberToken(token: string | undefined): void {
	remembered = token;
	try {
		if (token === undefined) sessionStorage.removeItem(key);
		else sessionStorage.setItem(key, token);
	} catch {
		// It is remembered above.
	}
}

export function rememberedToken(): string | undefined {
	try {
		return remembered ?? sessionStorage.getItem(key) ?? undefined;
	} catch {
		return remembered;
	}
}
