import { readFileSync } from "node:fs";
import { brotliCompressSync } from "node:zlib";
import { expect, it } from "vitest";
import { configSchema } from "../../server/config-schema.ts";

const readme = readFileSync("README.md", "utf8");

it("the README's size of the script tag's file is the real one", () => {
	const bytes = brotliCompressSync(readFileSync("dist/client.js")).length;
	expect(readme).toContain(`| the script tag's file | ${(bytes / 1_000).toFixed(1)} KB |`);
});

it("the README's configuration file is a right one", () => {
	const [, file = ""] =
		/```js\n\/\/ eventferry\.config\.mjs[\s\S]*?defineConfig\((\{[\s\S]*?\})\);\n```/.exec(readme) ?? [];
	const config = new Function(`return ${file.replaceAll("…", "x")}`)();
	expect(configSchema(false).safeParse(config).error?.issues).toBeUndefined();
});
