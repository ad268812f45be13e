import type { Line } from "./network.ts";
import type { Page } from "./page.ts";
import type { Random } from "./random.ts";
import type { Disk } from "./storage.ts";

/** Browser of a visitor, which outlives its pages. */
export interface Browser {
	/** Number of the visitor. */
	index: number;
	disk: Disk;
	line: Line;
	/** IP address, which the proxy's load balancer passes on in `X-Forwarded-For`. */
	address: string;
	userAgent: string;
	/** Value of `navigator.webdriver`: true if a program drives the browser. */
	webdriver: boolean;
	/** Error of the clock, in ms. */
	clockOff: number;
	has: { indexedDb: boolean; localStorage: boolean; locks: boolean };
	pages: Set<Page>;
	random: Random;
	/** Settles once no page holds the browser's Web Lock. */
	lockFree: Promise<unknown>;
}

const agents: [string, ...string[]] = [
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15",
	"Mozilla/5.0 (Linux; Android 16; Pixel 10) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Mobile Safari/537.36",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 19_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (X11; Linux x86_64; rv:149.0) Gecko/20100101 Firefox/149.0",
];
const botAgents: [string, ...string[]] = [
	"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1; +http://www.google.com/bot.html) Chrome/147.0.0.0 Safari/537.36",
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/147.0.0.0 Safari/537.36",
	"Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
];

const minute = 60_000;

/** Creates a browser. A few in a hundred have a wrong clock, no IndexedDB, no Web Locks or no `localStorage`. */
export function createBrowser(index: number, random: Random, isBot: boolean): Browser {
	const isDriven = isBot && random.chance(0.4);
	const isWrong = random.chance(0.02);
	return {
		index,
		disk: { items: new Map(), databases: new Map() },
		line: { isOffline: false, loss: 0.003, latencyMs: 60 },
		address: `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`,
		userAgent: isBot && !isDriven ? random.pick(botAgents) : random.pick(agents),
		webdriver: isDriven,
		clockOff: isWrong ? Math.round(random.between(-4_000 * minute, 4_000 * minute)) : 0,
		has: { indexedDb: !random.chance(0.015), localStorage: !random.chance(0.005), locks: !random.chance(0.03) },
		pages: new Set(),
		random,
		lockFree: Promise.resolve(),
	};
}
