/** A mistake: the name of a variable or option, and the rest of a sentence that says what would be right. */
export interface Mistake {
	name: string;
	message: string;
}

/** All mistakes of a configuration at once. Contains no configured value, as that may be a secret. */
export class ConfigError extends Error {
	override readonly name = "ConfigError";
	readonly code = "invalid_config";
	readonly mistakes: Mistake[];
	constructor(mistakes: Mistake[], options?: ErrorOptions) {
		const count = mistakes.length === 1 ? "a mistake" : `${mistakes.length} mistakes`;
		const lines = mistakes.map(({ name, message }) => `  ${name} ${message}`);
		super(`${count} in the configuration:\n${lines.join("\n")}`, options);
		this.mistakes = mistakes;
	}
}
