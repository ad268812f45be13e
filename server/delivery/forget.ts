import express, { type Request, type Response, Router } from "express";
import * as z from "zod";
import { eventSchema } from "../../shared/event.ts";
import { parseJson } from "../http/exact-json.ts";
import { bodyOf, parse } from "../http/parse-request.ts";
import { onlyMethods } from "../http/problem.ts";
import type { Guess } from "../http/rate-limit.ts";
import { backendOnly } from "../http/server-key.ts";
import { type Forgotten, type Outbox, StoreUnavailableError } from "../outbox/outbox.ts";
import type { Admit, Known, Provider } from "../providers/provider.ts";
import { normaliseEmail, personKey } from "../stored-event.ts";

/** A site whose people can be forgotten. */
export interface ForgetfulSite {
	/** Name in the store. */
	name: string;
	serverKey?: string | undefined;
}

/** A destination as the deletion of a person needs it. */
interface ForgetfulDestination {
	provider: Provider;
	/** Resolves once no request for these people, by their keys, is under way. */
	quiet(people: readonly string[]): Promise<void>;
	admit: Admit;
}

export interface ForgetOptions<Site extends ForgetfulSite> {
	sites: readonly Site[];
	outbox(): Outbox;
	destinationsOf(site: Site): ForgetfulDestination[];
	guess: Guess;
}

const { email, userId } = eventSchema.options[0].shape.person.shape;
/** The body of `DELETE /v1/people`. */
export const personSchema = z
	.strictObject({ email: email.transform((address) => address && normaliseEmail(address)), userId })
	.refine((person) => person.email !== undefined || person.userId !== undefined, "an email or a userId is needed");
type Someone = z.infer<typeof personSchema>;

const bodyBytes = 8_192;

/** Result of a deletion at one destination. */
const forgettingSchema = z.object({
	/** Deliveries that are not made any more. */
	queued: z.number(),
	deadLetters: z.number(),
	/** State of the person's profile at the destination. */
	profile: z.enum(["deleted", "not_found", "not_addressable", "failed", "not_supported", "not_configured"]),
	reason: z.string().optional(),
	status: z.number().optional(),
});
type Forgetting = z.infer<typeof forgettingSchema>;

/** Answer to `DELETE /v1/people`, by destination. */
export const forgottenSchema = z.object({ destinations: z.record(z.string(), forgettingSchema) });

/** Keys of a person's possible lanes: one by e-mail, one by userId. */
const keysOf = (person: Someone): string[] =>
	[personKey({ email: person.email }), personKey({ userId: person.userId })].flatMap((key) => key ?? []);

async function removeAt(
	{ provider, quiet, admit }: ForgetfulDestination,
	person: Someone,
	known: string[],
): Promise<Pick<Forgetting, "profile" | "reason" | "status">> {
	if (!provider.remove) return { profile: "not_supported", reason: "no route that deletes a person is known there" };
	// A request under way could create the person anew.
	await quiet(keysOf(person));
	const memories = known.map((text) => parseJson(text) as Known);
	try {
		const { kind, ...why } = await provider.remove(person, memories, admit);
		return { profile: kind, ...why };
	} catch (error) {
		// The store could not be asked for a token. All that is kept of the person here is gone already.
		if (error instanceof StoreUnavailableError) return { profile: "failed", reason: error.code };
		throw error;
	}
}

/** Serves `DELETE /v1/people`: forgets a person here, then deletes their profile at every destination that can. */
export function createForget<Site extends ForgetfulSite>({
	sites,
	outbox,
	destinationsOf,
	guess,
}: ForgetOptions<Site>) {
	async function forget(request: Request, response: Response<unknown, { site: Site }>): Promise<void> {
		const hint = "say whom as application/json: an email, a userId or both";
		const person = parse(personSchema, bodyOf(request, hint));
		const { site } = response.locals;
		const forgotten = await outbox().forget({ site: site.name, people: keysOf(person) });
		const nothing: Omit<Forgotten, "destination"> = { owed: 0, dead: 0, known: [] };
		const destinations: Record<string, Forgetting> = {};
		for (const { destination, owed, dead } of forgotten)
			destinations[destination] = { queued: owed, deadLetters: dead, profile: "not_configured" };
		await Promise.all(
			destinationsOf(site).map(async (destination) => {
				const { name } = destination.provider;
				const { owed, dead, known } = forgotten.find((each) => each.destination === name) ?? nothing;
				const removal = await removeAt(destination, person, known);
				destinations[name] = { queued: owed, deadLetters: dead, ...removal };
			}),
		);
		response.json({ destinations });
	}

	const router = Router();
	router.delete("/v1/people", backendOnly(sites, guess), express.json({ limit: bodyBytes }), forget);
	router.all("/v1/people", onlyMethods("DELETE"));
	return router;
}
