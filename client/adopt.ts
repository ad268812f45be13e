import { type Adopted, type Anything, type Call, createVendors, type Say, type Vendor } from "./adopt/vendors.ts";
import { attempt } from "./attempt.ts";
import type { Data, Tracker } from "./contract.ts";

export type { Adopted };

/** Interval in ms between searches for what the page has put in the place of an observed property. */
const lookMs = 1_000;
/** Number of calls that are remembered until the vendor's script comes, which may repeat them. */
const maxSaid = 99;

/** Starts to observe vendors. Returns a function that ends it. */
export const observe = (say: Say, names: readonly string[]): (() => void) => {
	const looks: (() => void)[] = [];
	const lookAgain = () => {
		looks.forEach((look) => look());
	};
	// Hears, in the capture phase, that a script has run. After the end it finds nothing to do.
	document.addEventListener("load", lookAgain, true);
	/** Undefined after the end. */
	let timer: unknown = setInterval(lookAgain, lookMs);

	/**
	 * Shows `wrap(value)` to the page in the place of a property's value, and of each value that it is set to later; the
	 * value itself if `wrap` throws.
	 */
	const intercept = (owner: Anything, name: string, wrap: (value: Anything) => unknown) => {
		let shown: unknown;
		let isOurs: unknown;
		const set = (value: unknown) => {
			// Pages write back what they have read: `window.dataLayer = window.dataLayer || []`.
			if (value !== shown) {
				shown = value;
				attempt(() => {
					shown = wrap(value);
				});
			}
		};
		const look = () =>
			attempt(() => {
				set(owner[name]);
				// An accessor of the page stays. A `var` cannot become one, and is looked at again:
				// https://tc39.es/ecma262/#sec-createglobalvarbinding
				if (timer ? Reflect.getOwnPropertyDescriptor(owner, name)?.get : !isOurs) return;
				isOurs = Reflect.defineProperty(
					owner,
					name,
					timer
						? { get: () => shown, set, configurable: true, enumerable: name === "user" }
						: { writable: true, configurable: true, value: shown },
				);
				if (!isOurs) owner[name] = shown;
			});
		looks.push(look);
		look();
	};

	for (const vendor of names) {
		/** `hasCome` is true once the vendor's script is known to be in the page. */
		let [read, globals = [], hasCome] =
			createVendors(say, (): unknown => {
				hasCome ||= document.querySelector(`script[src*="${vendor}."]`);
				return hasCome && vendor;
			})[vendor] ?? ([] as unknown as Vendor);
		/** Latest calls. */
		let said: Call[] = [];
		let count = 0;
		/**
		 * Calls that are not heard: those being made, which a function around another one makes again, and, while the
		 * vendor's script starts, those that it may make again to empty the queue.
		 */
		let known: Call[] = [];
		const hear = (given: Call) => {
			try {
				// Segment's stub adds a description of the page to the arguments.
				const call = given.filter((each) => each?.__t !== "bpc");
				if (!timer || known.some((other) => call.every((each, index) => each === other[index]))) return;
				said[count++ % maxSaid] = call;
				read(...call);
			} catch {
				// The tracker refuses this data, with a notice and, if it has `debug`, a line in the console.
				say("track", vendor, 0);
			}
		};
		/** Wraps a function in a proxy, through which its properties stay those of the function. */
		const wrap = (called: Anything, list: (args: Anything[]) => Call[]) =>
			new Proxy(called, {
				apply(target, self, args) {
					const before = known;
					attempt(() => {
						const calls = list(args);
						calls.forEach(hear);
						known = calls;
					});
					try {
						return Reflect.apply(target, self, args);
					} finally {
						known = before;
					}
				},
			});
		/** Lists the calls in pushed items: a list of arguments is one, and so is an object, or each of its fields. */
		const ofItems = (items: Anything[]): Call[] =>
			items.flatMap(
				(item): Call[] =>
					// One that throws costs no other.
					attempt(() =>
						// Events may have a `length` of their own.
						item?.[0] ? [[...item]] : vendor === "vibetrace" && item ? Object.entries(item) : [[item]],
					) ?? [],
			);
		globals.forEach((name) =>
			intercept(window, name, (value) => {
				if (name === "helpcrunchSettings") {
					// A page may assign the user later.
					intercept(value, "user", (user) => {
						hear(["user", user]);
						return user;
					});
					return value;
				}
				known = said;
				said = [];
				setTimeout(() => {
					known = [];
				});
				const queue = value.q ?? value;
				if (queue.map) ofItems(queue).forEach(hear);
				else {
					hasCome = true;
					// A stub pushes what its methods are called with. Segment's library has both, and no list.
					["track", "identify", "page", "reset", "event"].forEach((method) =>
						intercept(value, method, (called) =>
							wrap(called, (args) => [method === "event" ? args : [method, ...args]]),
						),
					);
				}
				if (value.call) return wrap(value, (args) => [args]);
				intercept(value, "push", (push) => {
					hasCome ||= push !== [].push;
					return wrap(push, ofItems);
				});
				return value;
			}),
		);
	}
	return () => {
		timer = clearInterval(timer as number);
		lookAgain();
	};
};

/**
 * Observes the calls that a page makes to other trackers, and makes the same calls of `tracker`: those that wait in the
 * vendors' queues, and all to come. The vendors' scripts work as before. Never throws; a call that cannot be used leads
 * to a `rejected` notice. Without a document it does nothing.
 * @returns Function that ends the observation.
 */
export const adopt = <Events = Record<string, Data>>(
	tracker: Tracker<Events>,
	names: readonly Adopted[],
): (() => void) =>
	typeof document === "object" ? observe((method, ...args) => (tracker as Anything)[method](...args), names) : () => {};
