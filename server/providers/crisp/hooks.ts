import { hash } from "node:crypto";
import { sameSecret } from "../../http/secret.ts";
import { type Hook, type HookRequest, type HookSource, isRecord, scalarsOf, textOf } from "../hook.ts";
import { isSigned } from "../signature.ts";
import { profileAlias } from "./crisp.ts";
import { isCrispEventName } from "./event-names.ts";

/** What a site has of its Crisp account for web hooks. */
export interface CrispHookAccount {
	websiteId: string;
	hookSecret?: string | undefined;
	hookKey?: string | undefined;
}

/** How far the time that a web hook was signed with may be from ours. */
const freshMs = 300_000;
/** Times up to this are in seconds. */
const secondsMost = 100_000_000_000;
/** For how long the same signature is not looked at again. */
const repeatMs = 86_400_000;

/** What says nothing of what happened, but where and to whom. */
const places = new Set(["website_id", "inbox_id", "session_id", "people_id", "email", "identifier"]);

const timeOf = (header: string | undefined): number => {
	const time = /^\d{1,16}$/.test(header ?? "") ? Number(header) : Number.NaN;
	return time <= secondsMost ? time * 1_000 : time;
};

/** What Crisp tells of a person: `{ nickname, phone, … }`, or as one `set_*` tells of one field. */
function attributesOf(event: string, data: Record<string, unknown>): Record<string, unknown> {
	const [, field] = /^session:set_(nickname|phone|address|avatar)$/.exec(event) ?? [];
	if (field !== undefined) return scalarsOf({ [field]: data[field] });
	if (event === "session:set_data") return scalarsOf(data.data);
	const told = isRecord(data.update) ? data.update : isRecord(data.identity) ? data.identity : {};
	const company = isRecord(told.company) ? textOf(told.company.name) : undefined;
	return { ...scalarsOf(told.person, new Set(["timezone"])), ...(company !== undefined && { company }) };
}

/** Crisp's own names for the person: of their session, of their profile. */
function aliasesOf(event: string, data: Record<string, unknown>): string[] {
	const opened = event === "email:track:view" && data.type === "session" ? textOf(data.identifier) : undefined;
	const session = textOf(data.session_id) ?? opened;
	const profile = textOf(data.people_id);
	return [...(session ? [`session:${session}`] : []), ...(profile ? [profileAlias(profile)] : [])];
}

/** Crisp's web hooks: https://docs.crisp.chat/references/web-hooks/v1 */
export const crispHooks: HookSource<CrispHookAccount> = {
	name: "crisp",

	vouches({ hookSecret, hookKey }, request) {
		const signature = request.header("x-crisp-signature");
		if (signature !== undefined && hookSecret !== undefined) {
			// Signed as it is written, milliseconds or seconds.
			const timestamp = request.header("x-crisp-request-timestamp");
			const isFresh = Math.abs(timeOf(timestamp) - request.now) <= freshMs;
			const around: [string, string] = [`[${timestamp};`, "]"];
			return isFresh && isSigned(request, signature, { algorithm: "sha256", secret: hookSecret, around });
		}
		// A website's web hooks are not signed.
		return hookKey !== undefined && request.key !== undefined && sameSecret(request.key, hookKey);
	},

	read({ header, json, raw, now }: HookRequest): Hook | undefined {
		if (!isRecord(json) || !isRecord(json.data) || textOf(json.event) === undefined) return undefined;
		const { data, timestamp, website_id: website } = json;
		const event = String(json.event);
		const text = raw ?? JSON.stringify(json);
		const identifier = event === "email:track:view" && /^[^\s@]+@[^\s@]+$/.test(String(data.identifier));
		const email = textOf(data.email) ?? (identifier ? String(data.identifier) : undefined);
		return {
			event,
			isKnown: isCrispEventName(event),
			at: typeof timestamp === "number" && timestamp > 0 ? timestamp : now,
			key: header("x-crisp-signature")?.toLowerCase() ?? hash("sha256", text, "hex"),
			repeatMs,
			data,
			account: textOf(website),
			person: email === undefined ? {} : { email },
			aliases: aliasesOf(event, data),
			isGone: event === "people:profile:removed",
			attributes: attributesOf(event, data),
			details: scalarsOf(data, places),
		};
	},

	concerns: ({ websiteId }, { account }) => account === websiteId,
};
