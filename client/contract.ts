import type { Color } from "../shared/event.ts";
import type { GivenNames, Login } from "./identity.ts";
import type { Listener, NoticeKind } from "./notices.ts";

/** JSON object, at most 16,384 bytes in UTF-8 and 5 levels deep. The tracker copies it at once. */
export type Data = Record<string, unknown>;

/** Options of `createTracker()`. */
export interface TrackerOptions {
	/** Address of the proxy: an http(s) URL, or a path on the page's origin. */
	proxy: string;
	/** Public key of the site, `site_…`. */
	writeKey: string;
	/**
	 * Consent until `optIn()` or `optOut()` is called. `"pending"`: events wait in memory, and nothing is stored or sent;
	 * `"denied"`: events are not recorded. Default `"granted"`.
	 */
	consent?: "granted" | "pending" | "denied";
	/**
	 * Treatment of events before a login. `"hold"`: the last 500 are kept in this browser for 30 days, and sent as the
	 * person's after the login; `"drop"`: they are not recorded. Default `"hold"`.
	 */
	beforeLogin?: "hold" | "drop";
	/**
	 * Treats Global Privacy Control (https://developer.mozilla.org/docs/Web/API/Navigator/globalPrivacyControl) as
	 * `optOut()`. Default false.
	 */
	respectGpc?: boolean;
	/** Replaces the exported `isBot()`. Nothing is recorded if it returns true. */
	isBot?: () => boolean;
	/** Writes every notice to the console. Default false. */
	debug?: boolean;
}

/** Options of `track()`. */
export interface TrackOptions {
	/** Colour of the event in Crisp. */
	color?: Color;
}

/** Visitor as the site knows them: at least one of `email`, `userId` and `token` (see `signIdentity`). */
export interface LoginInput extends GivenNames {
	/** Attributes of the person; null unsets one. */
	attributes?: Data | null | undefined;
}

/** Purchase. Amounts may be numbers or their text; a part that cannot be read is left out. */
export interface OrderInput {
	orderId: string | number;
	total?: number | string | null | undefined;
	items?: readonly OrderItem[] | null | undefined;
	/** More data of the purchase, which is passed on. */
	[more: string]: unknown;
}

/** Item of a purchase. */
export interface OrderItem {
	id: string | number;
	quantity?: number | string | null | undefined;
	[more: string]: unknown;
}

/** Answer of `state()`: the visitor's names and the numbers of events in the queue. */
export interface TrackerState extends Pick<Login, "email" | "userId"> {
	anonymousId: string;
	/** Number of events that are ready to be sent, or sent and not yet acknowledged: at most 1,000. */
	waiting: number;
	/** Number of events that wait for a login: at most 500. */
	held: number;
	/** Current consent: `"denied"` after `optOut()`, `"granted"` after `optIn()`, else the `consent` option. */
	consent: "granted" | "pending" | "denied";
}

/** Arguments of `track()` after the name. Data is optional if no property of the event's type is required. */
type TrackArguments<Given> =
	Record<never, never> extends Given
		? [data?: Given, options?: TrackOptions]
		: undefined extends Given
			? [data?: Given, options?: TrackOptions]
			: [data: Given, options?: TrackOptions];

/**
 * Recorder of a visitor's events, which it sends to the proxy. No method throws: an argument that cannot be recorded
 * leads to a `rejected` notice and, with `debug` or if it is of a login or a purchase, to a line in the console.
 */
export interface Tracker<Events = Record<string, Data>> {
	/** Records an event: a name of 1-120 characters, and data. */
	track<Name extends keyof Events & string>(name: Name, ...rest: TrackArguments<Events[Name]>): void;
	/** Names the visitor. Held events become theirs; a login as another person than before starts a new identity. */
	login(person: LoginInput): void;
	/** Sets attributes of the current person; null unsets one. */
	update(attributes: Data): void;
	/** Records a purchase. A repeated `orderId` counts once. */
	confirmation(order: OrderInput): void;
	/** Records a page view. */
	page(): void;
	/** Forgets the visitor and deletes held events. To be called at logout. */
	reset(): void;
	/** Deletes queue and identity. Nothing is recorded in this browser until `optIn()`. */
	optOut(): void;
	/** Starts recording, storing and sending. Ends an `optOut()`, and overrules Global Privacy Control from now on. */
	optIn(): void;
	/**
	 * Sends waiting events now. Resolves when none is left or a request has failed, and at once during a pause that the
	 * proxy asked for. Never rejects.
	 */
	flush(): Promise<void>;
	/** Returns the visitor's names and the numbers of events in the queue. */
	state(): TrackerState;
	/** Calls `listener` with each notice of a kind. Returns a function that removes the listener. */
	on(kind: NoticeKind, listener: Listener): () => void;
}

/** Call of a tracker's method as an array: `["track", "basket:item:added", { product: "iPhone X" }]`. */
export type Command<Events = Record<string, Data>> = {
	[Name in keyof Tracker<Events>]: [Name, ...Parameters<Tracker<Events>[Name]>];
}[keyof Tracker<Events>] & {
	/** Time of the call, ms since the epoch. Set by the page's stub, which collects commands until the script has loaded. */
	when?: number;
};

/**
 * Type of `window.eventferry` in a page with the script tag. Before the script has loaded it is an array that collects
 * commands; then it is the tracker, whose `push` carries them out at once. A page that uses it declares it:
 * `declare global { interface Window { eventferry?: ScriptTag } }`.
 */
export type ScriptTag<Events = Record<string, Data>> =
	| Command<Events>[]
	| (Tracker<Events> & { push(...commands: Command<Events>[]): void });

/**
 * Type of `window.eventferryConfig`: the script tag's attributes as an object, for pages where the tag cannot have them.
 * An attribute of the tag takes precedence. Each switch is true or false, or the attribute's text.
 */
export interface ScriptSettings {
	/** Public key of the site, `site_…`. */
	writeKey?: string;
	/** Address of the proxy. Default: the folder of the script; needed where the script has been put into another file. */
	proxy?: string;
	/** Records page views. Default false. */
	pages?: boolean | string;
	/** Watches elements with `data-ferry-event`. Default true. */
	clicks?: boolean | string;
	consent?: TrackerOptions["consent"];
	debug?: boolean | string;
}
