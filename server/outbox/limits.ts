/** How exactly it is kept, in ms, when what is known of a person was last of use: it is kept for 30 days. */
export const knownFreshMs = 3_600_000;

/** The same of a link. */
export const linkFreshMs = 86_400_000;
