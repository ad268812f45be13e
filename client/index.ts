export type { Color, Event, Order } from "../shared/event.ts";
export { isBot } from "./bots.ts";
export type {
	Command,
	Data,
	LoginInput,
	OrderInput,
	OrderItem,
	ScriptSettings,
	ScriptTag,
	Tracker,
	TrackerOptions,
	TrackerState,
	TrackOptions,
} from "./contract.ts";
export type { Listener, Notice, NoticeKind } from "./notices.ts";
export { createTracker } from "./tracker.ts";
