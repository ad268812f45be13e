import { launchProfile } from "../../browser/chromium.ts";
import { temporaryFolder } from "../../support/served.ts";
import { startCollector } from "./collector.ts";
import type { Page } from "./peer.ts";
import { burst, idle, run } from "./visit.ts";

/** Outcome of killing the browser `ms` after 50 events were captured in one task while nothing answers. */
export interface Kill {
	ms: number;
	/** Number of events that survived. */
	kept: number;
}

/** Delays before the kill, in ms. */
const delays = [0, 50, 200, 400, 600, 1_000];

async function killedAfter(ms: number, peer: Page): Promise<number> {
	const folder = temporaryFolder();
	const collector = await startCollector(peer);
	const open = async () => {
		const profile = await launchProfile(folder.path);
		const page = await profile.visitor.newPage();
		await page.goto(collector.origin);
		await run(page, "/ferry/peer.js");
		return { ...profile, page };
	};
	try {
		const { page, kill } = await open();
		await idle(1_000);
		collector.down(true);
		await burst(page, 0, 50);
		await idle(ms);
		await kill();
		collector.down(false);
		const later = await open();
		await collector.settled(50, 12_000);
		await later.kill();
		return collector.received().marks.size;
	} finally {
		await collector.close();
		folder.remove();
	}
}

export async function kills(peer: Page): Promise<Kill[]> {
	const outcomes: Kill[] = [];
	for (const ms of delays) outcomes.push({ ms, kept: await killedAfter(ms, peer) });
	return outcomes;
}
