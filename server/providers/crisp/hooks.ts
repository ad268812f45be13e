import { hash } from "node:crypto";
import * as z from "zod";
import { sameSecret } from "../../http/secret.ts";
import type { HookSource } from "../definition.ts";
import { isRecord, scalarsOf, textOf } from "../json.ts";
import { signatureCheck } from "../signature.ts";
import type { CrispKnown } from "./connector.ts";
import { isCrispEventName } from "./event-names.ts";
import type { CrispConfig } from "./options.ts";

/** Maximum difference in ms between a web hook's signed time and ours. The documentation states none. */
const freshMs = 300_000;
/** Largest timestamp that is read as seconds; a larger one is ms. The documentation does not name the unit. */
const secondsMost = 100_000_000_000;
/** Time in ms for which a signature is recognised as a repeat. The documentation does not tell how long Crisp retries. */
const repeatMs = 86_400_000;

/** Fields that identify the website, the inbox or the person, and are left out of an event's data. */
const identity = new Set(["website_id", "inbox_id", "session_id", "people_id", "email", "identifier"]);

const profileAlias = (id: string) => `people:${id}`;

const timeOf = (header: string | undefined): number => {
	const time = /^\d{1,16}$/.test(header ?? "") ? Number(header) : Number.NaN;
	return time <= secondsMost ? time * 1_000 : time;
};

/** Reads the attributes in a report: the field or the data that a `session:set_*` sets, or a profile's fields. */
function attributesOf(event: string, data: Record<string, unknown>): Record<string, unknown> {
	const [, field] = /^session:set_(nickname|phone|address|avatar)$/.exec(event) ?? [];
	if (field !== undefined) return scalarsOf({ [field]: data[field] });
	if (event === "session:set_data") return scalarsOf(data.data);
	const profile = [data.update, data.identity].find(isRecord) ?? {};
	const company = isRecord(profile.company) ? textOf(profile.company.name) : undefined;
	return { ...scalarsOf(profile.person, new Set(["timezone"])), ...(company !== undefined && { company }) };
}

/** Lists the aliases in a report: of the person's session and of their profile. */
function aliasesIn(event: string, data: Record<string, unknown>): string[] {
	const opened = event === "email:track:view" && data.type === "session" ? textOf(data.identifier) : undefined;
	const session = textOf(data.session_id) ?? opened;
	const profile = textOf(data.people_id);
	return [...(session ? [`session:${session}`] : []), ...(profile ? [profileAlias(profile)] : [])];
}

/**
 * Crisp's web hooks: https://docs.crisp.chat/references/web-hooks/v1. A plugin's web hooks are signed. A website's are
 * not, and carry a key in their address: https://docs.crisp.chat/guides/web-hooks/website-hooks
 */
export const crispHooks: HookSource<Pick<CrispConfig, "websiteId" | "hookSecret" | "hookKey">> = {
	secrets: ["hookSecret", "hookKey"],
	query: z.object({ key: z.string().optional() }),

	create: ({ websiteId, hookSecret, hookKey }) => ({
		check({ header, query, now, isCompared }) {
			const signature = header("x-crisp-signature");
			if (signature !== undefined && hookSecret !== undefined) {
				const timestamp = header("x-crisp-request-timestamp");
				const isFresh = Math.abs(timeOf(timestamp) - now) <= freshMs;
				const around: [string, string] = [`[${timestamp};`, "]"];
				if (!isFresh || !isCompared(hookSecret)) return undefined;
				return signatureCheck(signature, { algorithm: "sha256", secret: hookSecret, around });
			}
			const key = query("key") ?? "";
			// Guard (SECURITY.md): hook-key
			const isKey = hookKey !== undefined && isCompared(hookKey) && sameSecret(key, hookKey);
			return isKey ? () => true : undefined;
		},

		read({ header, json, raw, now }) {
			const event = isRecord(json) ? textOf(json.event) : undefined;
			if (!isRecord(json) || !isRecord(json.data) || event === undefined) return undefined;
			const { data, timestamp } = json;
			const isEmail = event === "email:track:view" && /^[^\s@]+@[^\s@]+$/.test(String(data.identifier));
			return {
				event,
				isKnown: isCrispEventName(event),
				at: typeof timestamp === "number" && timestamp > 0 ? timestamp : now,
				// Reports have no id: https://docs.crisp.chat/guides/web-hooks/quickstart
				key: header("x-crisp-signature")?.toLowerCase() ?? hash("sha256", raw ?? JSON.stringify(json), "hex"),
				repeatMs,
				data,
				isOurs: json.website_id === websiteId,
				person: { email: textOf(data.email) ?? (isEmail ? String(data.identifier) : undefined) },
				aliases: aliasesIn(event, data),
				isGone: event === "people:profile:removed",
				attributes: attributesOf(event, data),
				details: scalarsOf(data, identity),
			};
		},

		aliases: ({ id, of }: CrispKnown) =>
			[id, of].flatMap((each) => (each && !each.includes("@") ? [profileAlias(each)] : [])),
	}),
};
