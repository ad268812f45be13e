import type { Request, Response } from "express";
import * as z from "zod";
import { eventSchema } from "../../shared/event.ts";
import { parseJson } from "../http/exact-json.ts";
import { bodyOf, jsonBody, parseInput } from "../http/parse-request.ts";
import type { Guess } from "../http/rate-limit.ts";
import { backendProblems, bodyProblems, json, named, type Operation, ok, type Route } from "../http/route.ts";
import { backendOnly } from "../http/server-key.ts";
import type { IngestSite } from "../ingest/ingest.ts";
import { tidyPerson } from "../ingest/tidy-event.ts";
import { type ForgetRequest, type Outbox, StoreUnavailableError } from "../outbox/outbox.ts";
import type { Known } from "../providers/provider.ts";
import { normaliseEmail, personKey } from "../stored-event.ts";
import type { RunningDestination } from "./start-delivery.ts";

/** A site whose people can be forgotten, by its name in the store. */
type ForgetfulSite = Pick<IngestSite, "name" | "serverKey">;

export interface ForgetOptions {
	sites: readonly ForgetfulSite[];
	outbox(): Outbox;
	/** Returns the running destinations of a site. */
	destinationsOf(site: ForgetfulSite): RunningDestination[];
	/** Limits wrong guesses of the server key. */
	guess: Guess;
	/** Called with people whose data the store has deleted. */
	onForgotten(forgotten: ForgetRequest): void;
}

const { email, userId } = eventSchema.options[0].shape.person.shape;
/** The body of `DELETE /v1/people`. */
const personSchema = z
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

/** The answer of `DELETE /v1/people`, by destination. */
const forgottenSchema = z.object({ destinations: z.record(z.string(), forgettingSchema) });

const deletePeople: Operation = {
	summary: "Forgets a person, here and at the destinations that support it",
	security: "serverKey",
	body: json(named("Person", personSchema)),
	answer: ok("The result, by destination", json(named("Forgotten", forgottenSchema))),
	problems: [...bodyProblems, ...backendProblems],
};

/** Lists the keys that a person's lanes can have: one by e-mail, one by userId. */
const keysOf = (person: Someone): string[] =>
	[personKey({ email: person.email }), personKey({ userId: person.userId })].flatMap((key) => key ?? []);

async function removeAt(
	{ provider, dispatcher }: RunningDestination,
	person: Someone,
	known: string[],
): Promise<Omit<Forgetting, "queued" | "deadLetters">> {
	if (!provider.remove) return { profile: "not_supported", reason: "the destination has no way to delete a person" };
	// A request under way could create the person anew.
	await dispatcher.quiet(keysOf(person));
	try {
		const all = known.map((text) => parseJson(text) as Known);
		const { kind, ...why } = await provider.remove(person, all, dispatcher.send);
		return { profile: kind, ...why };
	} catch (error) {
		// The store gave no token. It has deleted the person's data already.
		if (error instanceof StoreUnavailableError) return { profile: "failed", reason: error.code };
		throw error;
	}
}

/** Serves `DELETE /v1/people`: forgets a person here, then deletes their profile at every destination that can. */
export function forgetRoute({ sites, outbox, destinationsOf, guess, onForgotten }: ForgetOptions): Route {
	async function forget(request: Request, response: Response): Promise<void> {
		const hint = "send an email, a userId or both as application/json";
		const person = parseInput(personSchema, tidyPerson(bodyOf(request, hint)));
		const site: ForgetfulSite = response.locals.site;
		const people = { site: site.name, people: keysOf(person) };
		const forgotten = await outbox().forget(people);
		onForgotten(people);
		const destinations: Record<string, Forgetting> = {};
		for (const { destination, owed, dead } of forgotten)
			destinations[destination] = { queued: owed, deadLetters: dead, profile: "not_configured" };
		await Promise.all(
			destinationsOf(site).map(async (running) => {
				const { name } = running.provider;
				const { owed = 0, dead = 0, known = [] } = forgotten.find((each) => each.destination === name) ?? {};
				destinations[name] = { queued: owed, deadLetters: dead, ...(await removeAt(running, person, known)) };
			}),
		);
		response.json({ destinations });
	}

	return { path: "/v1/people", delete: [deletePeople, backendOnly(sites, guess), jsonBody(bodyBytes), forget] };
}
