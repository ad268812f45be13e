/** The admin token's name in sessionStorage, which lasts until the tab is closed. */
const key = "eventferry admin token";

/** The token, for browsers that forbid storage. Lasts until the page is left. */
let remembered: string | undefined;

export function rememberToken(token: string | undefined): void {
	remembered = token;
	try {
		if (token === undefined) sessionStorage.removeItem(key);
		else sessionStorage.setItem(key, token);
	} catch {
		// The variable above has it.
	}
}

export function rememberedToken(): string | undefined {
	try {
		return remembered ?? sessionStorage.getItem(key) ?? undefined;
	} catch {
		return remembered;
	}
}
