import { expect, test } from "vitest";
import { createTracker } from "../../../client/index.ts";

test("outside a browser a tracker records nothing and throws nothing", async () => {
	const tracker = createTracker({ proxy: "/ferry", writeKey: "site_test" });
	tracker.login({ email: "ada@example.com" });
	tracker.track("rendered");
	tracker.page();
	tracker.reset();
	tracker.optOut();
	tracker.optIn();
	await tracker.flush();
	expect(tracker.state()).toMatchObject({ waiting: 0, held: 0 });
});
