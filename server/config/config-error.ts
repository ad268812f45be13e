/** A mistake in a configuration. Its name, of a variable or option, and its message read as one sentence. */
export interface Mistake {
	name: string;
	message: string;
}

/** All mistakes in a configuration. Contains no configured values, because they may be secrets. */
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
