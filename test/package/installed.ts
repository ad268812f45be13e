import { execFile } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { temporaryFolder } from "../support/served.ts";

const run = promisify(execFile);

/** Creates a project into which npm installs the package as it is published, its dependencies and nothing else. */
export async function installed() {
	const { path, remove } = temporaryFolder();
	await run("npm", ["pack", "--ignore-scripts", "--pack-destination", path]);
	const { version } = JSON.parse(await readFile("package.json", "utf8"));
	const project = join(path, "project");
	await mkdir(project);
	await writeFile(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
	const quiet = ["--prefer-offline", "--no-audit", "--no-fund", "--omit=peer", "--ignore-scripts"];
	await run("npm", ["install", join(path, `eventferry-${version}.tgz`), ...quiet], { cwd: project });

	const write = (name: string, content: string) => writeFile(join(project, name), content);
	return {
		project,
		remove,
		write,
		/** Links packages of this repository into the project, as if it had installed them. */
		async alsoHas(...names: string[]) {
			for (const name of names) {
				await mkdir(dirname(join(project, "node_modules", name)), { recursive: true });
				await symlink(resolve("node_modules", name), join(project, "node_modules", name));
			}
		},
		/** Runs a module in the project. Resolves to its output. */
		async runModule(name: string, content: string): Promise<string> {
			await write(name, content);
			const { stdout } = await run(process.execPath, [name], { cwd: project });
			return stdout;
		},
	};
}
export type Installed = Awaited<ReturnType<typeof installed>>;
