/** Maximum size of an answer that is read, in bytes. */
// Guard (SECURITY.md): own-answer-size
export const replyBytes = 65_536;
/** Maximum size of what is remembered of a person, in bytes of JSON. */
export const knownBytes = 8_192;
