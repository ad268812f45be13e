import { isbot } from "isbot";

/** Maximum number of remembered user agents, and maximum length of one of them. */
const agentsMost = 1_000;
const lengthMost = 300;

const known = new Map<string, boolean>();

/** Tells whether a user agent names a crawler. Remembers the answers, as isbot's pattern takes as long as the routing. */
export function isBot(agent = ""): boolean {
	if (agent.length > lengthMost) return isbot(agent);
	const before = known.get(agent);
	if (before !== undefined) return before;
	if (known.size >= agentsMost) known.clear();
	const found = isbot(agent);
	known.set(agent, found);
	return found;
}
