/** What one simulated provider keeps of one event. */
export interface SandboxEvent {
	/** Vibetrace's type key (`generic`, `confirmation`, …); absent elsewhere. */
	type?: string;
	name: string;
	data?: Record<string, unknown>;
	color?: string;
	/** When the provider received it, ms since the epoch: no provider takes another time. */
	at: number;
}

/** A profile as one simulated provider now holds it. */
export interface SandboxPerson {
	/** A number at HelpCrunch, a string elsewhere. */
	id: string | number;
	email?: string;
	userId?: string;
	/** The provider's own fields: Crisp's card, HelpCrunch's customer fields. Vibetrace has none. */
	profile: Record<string, unknown>;
	/** Custom data: Crisp's people data, HelpCrunch's `customData`, all of Vibetrace's attributes. */
	attributes: Record<string, unknown>;
	/** In the order received, duplicates the provider discards left out. */
	events: SandboxEvent[];
}

/** Who `addPerson` adds. */
export interface NewPerson {
	email?: string;
	userId?: string;
	attributes?: Record<string, unknown>;
}

const fold = (email: string) => email.trim().toLowerCase();

/** The profiles of one provider, found by id or, in any case, by e-mail. */
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
			if (email === undefined) {
				delete person.email;
			} else {
				person.email = email;
				byEmail.set(fold(email), person);
			}
		},
		remove(person: SandboxPerson): void {
			people.readdress(person, undefined);
			byId.delete(String(person.id));
		},
		/** Everyone with that e-mail: at HelpCrunch they can be several. */
		withEmail: (email: string) =>
			people.all().filter((person) => person.email !== undefined && fold(person.email) === fold(email)),
		clear(): void {
			byId.clear();
			byEmail.clear();
		},
	};
	return people;
}
