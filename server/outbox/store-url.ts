const isSqlite = (store: string) => store.startsWith("sqlite:");

/** The file of a store that is one; undefined for a database. */
export const sqliteFile = (store: string): string | undefined =>
	isSqlite(store) ? store.slice("sqlite:".length) : undefined;

/** Whether a text names a store: `sqlite:FILE` or `postgres://…`. */
export const isStore = (text: string): boolean =>
	isSqlite(text) ? sqliteFile(text) !== "" : /^postgres(ql)?:\/\/./.test(text) && URL.canParse(text);

/** A store's URL as it may be shown: without a password, and without parameters, which can hold one too. */
export function shownStore(store: string): string {
	if (isSqlite(store)) return store;
	const { protocol, username, password, host, pathname } = new URL(store);
	return `${protocol}//${username}${password && ":***"}${username && "@"}${host}${pathname}`;
}
