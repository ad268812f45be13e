#!/usr/bin/env node
/** The `eventferry` command: looks at the Node it runs on before anything that needs a newer one is loaded. */
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
	process.stderr.write(`eventferry needs Node 22.18 or newer, this is ${process.versions.node}\n`);
	process.exitCode = 2;
} else {
	// Whoever reads along may stop to, as `| head` does.
	process.stdout.on("error", (error: NodeJS.ErrnoException) => {
		if (error.code !== "EPIPE") throw error;
		process.exit();
	});
	const { run } = await import("./command/run.ts");
	process.exitCode = await run(process.argv.slice(2));
}

export {};
