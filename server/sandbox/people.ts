/** An event as a simulated provider keeps it. */
export interface SandboxEvent {
	/** Vibetrace's type key (`generic`, `confirmation`, …); absent elsewhere. */
	type?: string;
	name: string;
	data?: Record<string, unknown>;
	color?: string;
	/** Time of receipt, ms since the epoch. No provider accepts the time of capture. */
	at: number;
}

/** A profile as a simulated provider holds it now. */
export interface SandboxPerson {
	/** A number at HelpCrunch, a string elsewhere. */
	id: string | number;
	email?: string;
	userId?: string;
	/** The provider's own fields: Crisp's card, HelpCrunch's customer fields. Vibetrace has none. */
	profile: Record<string, unknown>;
	/** Custom data: Crisp's people data, HelpCrunch's `customData`, all of Vibetrace's attributes. */
	attributes: Record<string, unknown>;
	/** Events in the order received, without duplicates that the provider discards. */
	events: SandboxEvent[];
}

/** A person for `addPerson`. */
export interface NewPerson {
	email?: string;
	userId?: string;
	attributes?: Record<string, unknown>;
}

/** Normalises an e-mail, so that spellings of one address are equal. */
export const fold = (email: string) => email.trim().toLowerCase();

/** The profiles of one provider, found by id or by e-mail in any letter case. */
export function createPeople() {
	const byId = new Map<string, SandboxPerson>();
	const byEmail = new Map<string, SandboxPerson>();

	const people = {
		all: () => [...byId.values()],
		find: (idOrEmail: string | number) => byId.get(String(idOrEmail)) ?? byEmail.get(fold(String(idOrEmail))),
		add(id: string | number, { email, userId, attributes = {} }: NewPerson): SandboxPerson {
			const person: SandboxPerson = { id, profile: {}, attributes: { ...attributes }, events: [] };
			if (userId !== undefined) person.userId = userId;
			byId.set(String(id), person);
			people.readdress(person, email);
			return person;
		},
		readdress(person: SandboxPerson, email: string | undefined): void {
			if (person.email !== undefined && byEmail.get(fold(person.email)) === person) byEmail.delete(fold(person.email));
			delete person.email;
			if (email === undefined) return;
			person.email = email;
			byEmail.set(fold(email), person);
		},
		remove(person: SandboxPerson): void {
			people.readdress(person, undefined);
			byId.delete(String(person.id));
		},
		/** Removes everyone with the e-mail; HelpCrunch allows several. */
		removeAll(email: string): void {
			const hasEmail = (person: SandboxPerson) => person.email !== undefined && fold(person.email) === fold(email);
			people.all().filter(hasEmail).forEach(people.remove);
		},
		clear(): void {
			byId.clear();
			byEmail.clear();
		},
	};
	return people;
}
