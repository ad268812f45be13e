/** `eventferry/server`: the proxy to mount in an Express app, its configuration, and functions for backends. */
export { type CheckedConfig, type Config, ConfigError, defineConfig, loadConfig } from "./config/config.ts";
export {
	type CrispClient,
	CrispError,
	type CrispErrorCode,
	type CrispEventName,
	type CrispOptions,
	type CrispPayload,
	createCrisp,
	type MissedEvents,
} from "./crisp/index.ts";
export {
	type AddressDestination,
	type Answer,
	type BatchFunction,
	defineDestination,
	type EventFunction,
	type FunctionDestination,
	type OwnDestination,
	type OwnOutcome,
	type PlannedFunctions,
	type Sending,
} from "./destinations/destination.ts";
export type { HookListener, ReceivedHook } from "./inbound/index.ts";
export { type OpenUrlOptions, type SignedOpen, signOpenUrl } from "./inbound/open-token.ts";
export { type SignedIdentity, signIdentity } from "./ingest/identity-token.ts";
export type { BackendEvent } from "./ingest/track.ts";
export { StoreOpenError, StoreUnavailableError } from "./outbox/outbox.ts";
export { createProxy, type EventProxy } from "./proxy.ts";
export { UnsupportedNodeError } from "./version.ts";
