import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { build } from "esbuild";

/** Tracker under measurement, defined in a small file of `peers/` named after it. */
export interface Peer {
	name: string;
	/**
	 * Script of the page, bundled with the packages of `peers/`. It starts the tracker as its documentation first
	 * shows, sends to a path of its own origin, and sets `window.track(mark)`, which records one event with `mark` in its
	 * data. It may set `window.begin()`, which identifies the visitor, and `window.view()`, which records a page view.
	 */
	source: string;
	/** Answer of the tracker's server to a body; default: 200 and `{}`. */
	answer?(body: string): { status: number; body: string };
	/** JSON that the tracker fetches before it sends, by path. */
	settings?: Record<string, unknown>;
	/** Decodes a body, for a tracker that encodes the marks. */
	read?(body: string): string;
	/** Package of the npm registry, as `name@version`. Only `file` is used, in place of the comment in `source`. */
	tarball?: { spec: string; integrity: string; file: string };
	/** File that is served as it is, in place of a bundle. */
	file?: string;
}

/** Peer with its built script. */
export interface Page extends Peer {
	script: string;
	/** Size with Brotli, in bytes. */
	brotli: number;
}

const folder = fileURLToPath(new URL("peers/", import.meta.url));
const npm = (args: string[], cwd: string) =>
	execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

/** Installs the peers' packages from their own lock file, unless it is unchanged since the last installation. */
function install(): void {
	const installed = join(folder, "node_modules/.package-lock.json");
	const changed = (file: string) => statSync(file).mtimeMs;
	if (existsSync(installed) && changed(installed) >= changed(join(folder, "package-lock.json"))) return;
	process.stderr.write("installing the peers …\n");
	npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder);
}

async function fetchFile({ spec, integrity, file }: NonNullable<Peer["tarball"]>): Promise<string> {
	const unpacked = await mkdtemp(join(tmpdir(), "eventferry-peer-"));
	try {
		const [packed] = JSON.parse(npm(["pack", spec, "--json", "--ignore-scripts"], unpacked));
		if (packed.integrity !== integrity) throw new Error(`${spec} has an unexpected integrity: ${packed.integrity}`);
		execFileSync("tar", ["xzf", packed.filename], { cwd: unpacked });
		return await readFile(join(unpacked, "package", file), "utf8");
	} finally {
		await rm(unpacked, { recursive: true, force: true });
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

/** Measured versions, by package. */
export function versionsOf(peers: Peer[]): Record<string, string> {
	const { dependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
	const packed = peers.flatMap(({ tarball }) => (tarball ? [tarball.spec.split("@") as [string, string]] : []));
	return { ...dependencies, ...Object.fromEntries(packed) };
}

/** Bundles all peers of the folder, or the named ones; case does not matter. Rejects for an unknown name. */
export async function readPeers(names: string[]): Promise<Page[]> {
	install();
	const files = readdirSync(folder).filter((file) => file.endsWith(".ts"));
	const peers: Peer[] = await Promise.all(
		files.map(async (file) => (await import(join(folder, file))).default as Peer),
	);
	const asked = names.map((name) => name.toLowerCase());
	const unknown = names.find((name) => !peers.some((peer) => peer.name.toLowerCase() === name.toLowerCase()));
	if (unknown !== undefined) throw new TypeError(`there is no section or tracker called ${unknown}`);
	const wanted = peers.filter(({ name }) => asked.length === 0 || asked.includes(name.toLowerCase()));
	return Promise.all(wanted.map(bundle));
}
