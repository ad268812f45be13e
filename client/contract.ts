import type { Color, Order } from "../shared/event.ts";
import type { Login } from "./identity.ts";
import type { Listener, NoticeKind } from "./notices.ts";

/** Any JSON object. It is copied, may have 16 KB (16,384 bytes) as JSON and be 5 levels deep. */
export type Data = Record<string, unknown>;

export interface TrackerOptions {
	/** Where the proxy is mounted: an http(s) URL, or a path on this site. */
	proxy: string;
	/** The site's public key, `site_…`. */
	writeKey: string;
	/**
	 * Until `optIn()` nothing is stored or sent. `"pending"`: events wait in memory; `"denied"`: they are not recorded.
	 * Default `"granted"`.
	 */
	consent?: "granted" | "pending" | "denied";
	/**
	 * What becomes of events before a login. `"hold"` (default): kept in this browser, at most 500 for 30 days, and
	 * released as the person's at login. `"drop"`: not recorded.
	 */
	beforeLogin?: "hold" | "drop";
	/** Treat Global Privacy Control as `optOut()`. Default false. */
	respectGpc?: boolean;
	/** Replaces the built-in `isBot`. Bots record nothing. */
	isBot?: () => boolean;
	/** Name every notice in the console. Default false. */
	debug?: boolean;
}

export interface TrackOptions {
	/** The colour Crisp draws the event in. */
	color?: Color;
}

/** The visitor as the site knows them: at least one of `email`, `userId` and `token` (see `signIdentity`). */
export interface LoginInput extends Login {
	/** Attributes of the person. */
	attributes?: Data | undefined;
}

export interface TrackerState extends Pick<Login, "email" | "userId"> {
	anonymousId: string;
	/** Events ready to be sent and not yet acknowledged, at most 1,000. */
	waiting: number;
	/** Events that wait for a login, at most 500. */
	held: number;
	consent: "granted" | "pending" | "denied";
}

/** `data` may be left out where the event's type has nothing that is required. */
type TrackArguments<Given> =
	Record<never, never> extends Given
		? [data?: Given, options?: TrackOptions]
		: undefined extends Given
			? [data?: Given, options?: TrackOptions]
			: [data: Given, options?: TrackOptions];

/**
 * Records what visitors do and sends it to the proxy. No method throws, whatever it is given: what cannot be recorded
 * is a `rejected` notice and, with `debug`, a line in the console.
 */
export interface Tracker<Events = Record<string, Data>> {
	/** Records an event: a name of 1-120 characters, and data. */
	track<Name extends keyof Events & string>(name: Name, ...rest: TrackArguments<Events[Name]>): void;
	/** Says who this visitor is. What was held for them is released; another person than before starts afresh. */
	login(person: LoginInput): void;
	/** Sets attributes of the current person. */
	update(attributes: Data): void;
	/** Records a purchase; a repeated `orderId` counts once. */
	confirmation(order: Order): void;
	/** Records a page view. */
	page(): void;
	/** Forgets who this visitor is and deletes what is held: for logout. */
	reset(): void;
	/** Deletes queue and identity and stops, remembered until `optIn()`. */
	optOut(): void;
	/** Starts recording, storing and sending. */
	optIn(): void;
	/** Resolves when all that waits has been tried once, delivered or not. Never rejects. */
	flush(): Promise<void>;
	state(): TrackerState;
	/** Calls `listener` for each notice of a kind. Returns the way to stop listening. */
	on(kind: NoticeKind, listener: Listener): () => void;
}

/** A method's name and its arguments, `["track", "basket:item:added", { product: "iPhone X" }]`. */
export type Command<Events = Record<string, Data>> = {
	[Name in keyof Tracker<Events>]: [Name, ...Parameters<Tracker<Events>[Name]>];
}[keyof Tracker<Events>] & {
	/** When it was collected, ms since the epoch; the stub says so of those from before the script has loaded. */
	when?: number;
};

/**
 * `window.eventferry` of a page with the script tag: before the script loads the array that collects commands, then
 * the tracker, whose `push` acts at once. A page that uses it declares it:
 * `declare global { interface Window { eventferry?: ScriptTag } }`.
 */
export type ScriptTag<Events = Record<string, Data>> =
	| Command<Events>[]
	| (Tracker<Events> & { push(...commands: Command<Events>[]): void });
