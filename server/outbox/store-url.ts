const isSqlite = (store: string) => store.startsWith("sqlite:");

/** Returns the file of an SQLite store; undefined for PostgreSQL. */
export const sqliteFile = (store: string): string | undefined =>
	isSqlite(store) ? store.slice("sqlite:".length) : undefined;

/** Checks that a text is the URL of a store: `sqlite:FILE` or `postgres://…`. */
export const isStore = (text: string): boolean =>
	isSqlite(text) ? sqliteFile(text) !== "" : /^postgres(ql)?:\/\/./.test(text) && URL.canParse(text);

/** Removes from a store's URL the password and the parameters, which can hold a password as well. */
export function shownStore(store: string): string {
	if (isSqlite(store)) return store;
	const { protocol, username, password, host, pathname } = new URL(store);
	return `${protocol}//${username}${password && ":***"}${username && "@"}${host}${pathname}`;
}
