import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { build } from "esbuild";

/** A tracker that is measured: one small file in `peers/`, named after it. */
export interface Peer {
	name: string;
	/**
	 * What its page runs, bundled with the packages of `peers/`: starts the tracker as its documentation first shows, so
	 * that it sends to a path of its own origin, and sets `window.track(mark)`, which records one event with `mark` in its data. `window.begin`, where it is set, makes the visitor known first.
	 */
	source: string;
	/** What its server answers to a body; by default 200 and `{}`. */
	answer?(body: string): { status: number; body: string };
	/** What it fetches before it sends: answers in JSON, by path. */
	settings?: Record<string, unknown>;
	/** The text of a body whose marks are encoded. */
	read?(body: string): string;
	/** A tarball of the registry of which a single file is needed, as `name@version` and its integrity. */
	tarball?: { spec: string; integrity: string; file: string };
	/** Instead of a bundle: the file as it is served. */
	file?: string;
}

export interface Page extends Peer {
	script: string;
	brotli: number;
}

const folder = fileURLToPath(new URL("peers/", import.meta.url));
const npm = (args: string[], cwd: string) =>
	execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

/** Installs what the peers need, from their own lock file, where that has changed since. */
function install(): void {
	const installed = join(folder, "node_modules/.package-lock.json");
	const changed = (file: string) => statSync(file).mtimeMs;
	if (existsSync(installed) && changed(installed) >= changed(join(folder, "package-lock.json"))) return;
	process.stderr.write("installing the peers …\n");
	npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder);
}

async function fetchFile({ spec, integrity, file }: NonNullable<Peer["tarball"]>): Promise<string> {
	const own = await mkdtemp(join(tmpdir(), "eventferry-peer-"));
	try {
		const [packed] = JSON.parse(npm(["pack", spec, "--json", "--ignore-scripts"], own));
		if (packed.integrity !== integrity) throw new Error(`${spec} is not what it was: ${packed.integrity}`);
		execFileSync("tar", ["xzf", packed.filename], { cwd: own });
		return await readFile(join(own, "package", file), "utf8");
	} finally {
		await rm(own, { recursive: true, force: true });
	}
}

async function bundle(peer: Peer): Promise<Page> {
	if (peer.file) {
		const script = await readFile(peer.file, "utf8");
		return { ...peer, script: script + peer.source, brotli: brotliCompressSync(script).length };
	}
	const source = peer.tarball ? `${peer.source.replace("/* the file */", await fetchFile(peer.tarball))}` : peer.source;
	const { outputFiles } = await build({
		stdin: { contents: source, resolveDir: folder },
		bundle: true,
		minify: true,
		format: "iife",
		target: "es2020",
		write: false,
		logLevel: "error",
	});
	const script = outputFiles[0]?.text ?? "";
	return { ...peer, script, brotli: brotliCompressSync(script).length };
}

/** The versions that are measured, by package. */
export function versionsOf(peers: Peer[]): Record<string, string> {
	const { dependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
	const packed = peers.flatMap(({ tarball }) => (tarball ? [tarball.spec.split("@") as [string, string]] : []));
	return { ...dependencies, ...Object.fromEntries(packed) };
}

/** The peers of the folder, bundled; all, or those that are named, in lower case or not. Rejects for a name that none has. */
export async function readPeers(names: string[]): Promise<Page[]> {
	install();
	const files = readdirSync(folder).filter((file) => file.endsWith(".ts"));
	const peers: Peer[] = await Promise.all(
		files.map(async (file) => (await import(join(folder, file))).default as Peer),
	);
	const asked = names.map((name) => name.toLowerCase());
	const unknown = names.find((name) => !peers.some((peer) => peer.name.toLowerCase() === name.toLowerCase()));
	if (unknown !== undefined) throw new TypeError(`nothing here is called ${unknown}`);
	const wanted = peers.filter(({ name }) => asked.length === 0 || asked.includes(name.toLowerCase()));
	return Promise.all(wanted.map(bundle));
}
