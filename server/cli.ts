#!/usr/bin/env node
/** The `eventferry` command. Checks the version of Node before it loads code that an older one cannot run. */
import { supportsNode, UnsupportedNodeError } from "./version.ts";

if (!supportsNode(process.versions.node)) {
	process.stderr.write(`${new UnsupportedNodeError(process.versions.node).message}\n`);
	process.exitCode = 2;
} else {
	// The reader of stdout may close it early, as `| head` does.
	process.stdout.on("error", (error: NodeJS.ErrnoException) => {
		if (error.code !== "EPIPE") throw error;
		process.exit();
	});
	const { run } = await import("./command/run.ts");
	process.exitCode = await run(process.argv.slice(2));
}
