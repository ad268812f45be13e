/** Maximum size of an answer that is read, in bytes. */
// Guard (SECURITY.md): own-answer-size
export const replyBytes = 65_536;
