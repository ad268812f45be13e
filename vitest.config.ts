import { defineConfig } from "vitest/config";

export default defineConfig({
	test: {
		include: ["test/**/*.test.ts"],
		// Two cores: more workers than that only make waiting tests wait longer.
		maxWorkers: 2,
		testTimeout: 180_000,
		hookTimeout: 180_000,
		// What is waited for may take long on a busy machine; what never comes fails all the same.
		expect: { poll: { timeout: 60_000, interval: 20 } },
	},
});
