/** Maximum size of what is remembered of a person, in bytes of JSON. */
export const knownBytes = 8_192;
