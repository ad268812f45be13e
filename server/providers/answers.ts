import type { PlannedRequest } from "./provider.ts";

/** Texts of answers by the requests that they answer, without credentials. Each is kept as long as its request. */
const answers = new WeakMap<PlannedRequest, string>();

/** Notes the text of the last answer to a request, for operators. */
export function noteAnswer(request: PlannedRequest, text: string): void {
	answers.set(request, text);
}

/** Returns the text of the last answer to a request. Undefined if none was read. */
export const answerTo = (request: PlannedRequest): string | undefined => answers.get(request);
