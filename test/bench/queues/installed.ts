import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));

/** Imports a peer's module. The first call installs all peers from their own lock file. */
export async function installed<Module>(name: string): Promise<Module> {
	if (!existsSync(join(folder, "node_modules"))) {
		process.stderr.write("installing the queues …\n");
		execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
			cwd: folder,
			stdio: ["ignore", "ignore", "inherit"],
		});
	}
	return import(pathToFileURL(createRequire(join(folder, "package.json")).resolve(name)).href);
}
