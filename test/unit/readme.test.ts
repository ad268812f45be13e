import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { brotliCompressSync } from "node:zlib";
import { rollup } from "rollup";
import { loadConfigFile } from "rollup/loadConfigFile";
import { expect, it } from "vitest";
import { configSchema } from "../../server/config-schema.ts";
import { temporaryFolder } from "../support/served.ts";

const readme = readFileSync("README.md", "utf8");

it("the README's size of the script tag's file is the real one", () => {
	const bytes = brotliCompressSync(readFileSync("dist/client.js")).length;
	const size = `${(bytes / 1_000).toFixed(1)} KB`;
	expect(readme).toContain(`| the script tag's file | ${size} |`);
	expect(readme).toContain(`A small snippet (${size})`);
});

it("the README's size of createTracker is the real one", async () => {
	const { options } = await loadConfigFile("test/size/rollup.config.mjs", {});
	const { output } = await (await rollup(options[0] ?? {})).generate({ format: "es" });
	const bytes = brotliCompressSync(output[0].code).length;
	expect(readme).toContain(`| \`createTracker\` from npm, idb-keyval included | ${(bytes / 1_000).toFixed(1)} KB |`);
});

it("the README's configuration file is a right one", () => {
	const [, file = ""] =
		/```js\n\/\/ eventferry\.config\.mjs[\s\S]*?defineConfig\((\{[\s\S]*?\})\);\n```/.exec(readme) ?? [];
	const config = new Function(`return ${file.replaceAll("…", "x")}`)();
	expect(configSchema(false).safeParse(config).error?.issues).toBeUndefined();
});

it("the README's example for one's own tests runs, ends, and shows what it says", async () => {
	const [, example = ""] =
		/```ts\n(import \{ createProxy \} from "eventferry\/server";\nimport \{ startSandbox[\s\S]*?)```/.exec(readme) ??
		[];
	const { path, remove } = temporaryFolder();
	// Inside the package, so that it finds itself by its name.
	mkdirSync("test-results", { recursive: true });
	writeFileSync("test-results/readme-example.mjs", example.replace("./test.db", `${path}/test.db`));
	const { stdout } = await promisify(execFile)(process.execPath, ["test-results/readme-example.mjs"], {
		timeout: 30_000,
	});
	expect(stdout).toBe("ada@example.com [ 503, 503, 404, 201, 200 ]\n");
	remove();
});
