import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Sandbox, startSandbox } from "../../server/sandbox/index.ts";
import { delivered, postEvents, type Served, serve, temporaryFolder, track } from "../support/served.ts";
import { ballastIn } from "./ballast.ts";
import { crispEnvironment } from "./connections.ts";
import { compilePreload } from "./preload.ts";

/** Folder for the store, on a disk that can be filled and freed. */
interface Disk {
	path: string;
	env: Record<string, string>;
	fill(): void;
	free(): void;
	remove(): void;
}

const { library, reason, remove } = compilePreload("fulldisk");
afterAll(remove);

/** Creates a folder on a simulated disk, for processes started with the library. */
function simulatedDisk(): Disk {
	const folder = temporaryFolder();
	const path = `${folder.path}/disk`;
	const flag = `${folder.path}/full`;
	mkdirSync(path);
	return {
		path,
		env: { LD_PRELOAD: library ?? "", FULLDISK_DIR: path, FULLDISK_FLAG: flag },
		fill: () => writeFileSync(flag, ""),
		free: () => rmSync(flag),
		remove: folder.remove,
	};
}

/** Mounts a real disk of 3 MB in memory; returns undefined if this user may not mount one. */
function mountedDisk(): Disk | undefined {
	const { path, remove } = temporaryFolder();
	const mounted = spawnSync("/bin/mount", ["-t", "tmpfs", "-o", "size=3m", "eventferry-test", path]);
	if (mounted.status !== 0) {
		remove();
		return undefined;
	}
	return {
		path,
		env: {},
		...ballastIn(path),
		remove() {
			spawnSync("/bin/umount", [path]);
			remove();
		},
	};
}

const canMount = (() => {
	const disk = mountedDisk();
	disk?.remove();
	if (!disk) process.stderr.write("tests on a real full disk are skipped: this user may not mount one\n");
	return disk !== undefined;
})();

const disks: [string, boolean, () => Disk | undefined][] = [
	[`a simulated disk${reason && ` (skipped: ${reason})`}`, library !== undefined, simulatedDisk],
	[`a disk of 3 MB${canMount ? "" : " (skipped: this user may not mount it)"}`, canMount, mountedDisk],
];

for (const [name, isAvailable, make] of disks) {
	describe.skipIf(!isAvailable)(`on ${name}`, () => {
		let sandbox: Sandbox;
		let disk: Disk;
		let proxy: Served | undefined;
		beforeEach(async () => {
			sandbox = await startSandbox();
			sandbox.addPerson("crisp", { email: "ada@example.com" });
			const made = make();
			if (!made) throw new Error("the disk cannot be mounted");
			disk = made;
		});
		afterEach(async () => {
			await proxy?.kill();
			await sandbox.stop();
			disk.remove();
		});

		it("the proxy answers 503 once the disk is full, loses no acknowledged event, and recovers by itself", async () => {
			proxy = await serve({ ...crispEnvironment(sandbox, `${disk.path}/store.db`), ...disk.env });
			const { url } = proxy;
			const acknowledged: string[] = [];
			let posted = 0;
			async function post(): Promise<Response> {
				const name = String(posted++);
				const response = await postEvents(url, [track(name, { data: { text: "x".repeat(8_000) } })]);
				if (response.status === 202) acknowledged.push(name);
				return response;
			}
			const ready = async () => {
				const response = await fetch(`${url}/readyz`);
				return [response.status, (await response.json()).store];
			};

			for (let index = 0; index < 5; index += 1) expect((await post()).status).toBe(202);
			await delivered(url);
			expect(await ready()).toEqual([200, "ok"]);

			disk.fill();
			// Free pages inside the file may still take some events.
			let refused = await post();
			while (refused.status === 202 && posted < 3_000) refused = await post();
			expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, expect.stringMatching(/^[1-9]\d*$/)]);
			expect(await refused.json()).toMatchObject({ code: "store_unavailable" });
			expect(await ready()).toEqual([503, "unavailable"]);
			for (let index = 0; index < 10; index += 1) expect([202, 503]).toContain((await post()).status);

			disk.free();
			await vi.waitFor(async () => expect((await post()).status).toBe(202), { timeout: 60_000, interval: 20 });
			await delivered(url);
			await vi.waitFor(async () => expect(await ready()).toEqual([200, "ok"]), { timeout: 60_000, interval: 20 });
			const arrived = sandbox
				.requests("crisp")
				.filter(({ path, status }) => path.includes("/people/events/") && status === 200)
				.map(({ body }) => (body as { text: string }).text);
			expect(arrived).toEqual(acknowledged);
		});
	});
}

it.skipIf(!library)(
	`a proxy whose disk fails to sync answers outcome_unknown, and the same ids are delivered once${reason && ` (skipped: ${reason})`}`,
	async () => {
		const sandbox = await startSandbox();
		sandbox.addPerson("crisp", { email: "ada@example.com" });
		const disk = simulatedDisk();
		const flag = `${disk.path}-no-sync`;
		const env = { ...disk.env, FULLDISK_NO_SYNC: flag };
		const proxy = await serve({ ...crispEnvironment(sandbox, `${disk.path}/store.db`), ...env });
		try {
			const events = [track("once")];
			writeFileSync(flag, "");
			const refused = await postEvents(proxy.url, events);
			expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, expect.stringMatching(/^[1-9]\d*$/)]);
			expect(await refused.json()).toMatchObject({ code: "outcome_unknown" });
			rmSync(flag);
			expect((await postEvents(proxy.url, events)).status).toBe(202);
			await delivered(proxy.url);
			const arrived = sandbox.requests("crisp").filter(({ path }) => path.includes("/people/events/"));
			expect(arrived).toHaveLength(1);
		} finally {
			await proxy.kill();
			await sandbox.stop();
			disk.remove();
		}
	},
);
