import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import express from "express";
import { compileScript, parse } from "vue/compiler-sfc";
import { createProxy } from "../../server/index.ts";
import { startSandbox } from "../../server/sandbox/index.ts";
import { temporaryFolder } from "../support/served.ts";

export const example = (path: string) => fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));

/** Compiles Vue's single-file components as Vue's build tools do. */
const vue: Plugin = {
	name: "vue",
	setup({ onLoad }) {
		onLoad({ filter: /\.vue$/ }, async ({ path }) => {
			const { descriptor } = parse(await readFile(path, "utf8"), { filename: path });
			const { content } = compileScript(descriptor, { id: path, inlineTemplate: true });
			return { contents: content, loader: "ts" };
		});
	},
};

/** Bundles an example as its users' tools would. `eventferry` resolves to the built package. */
export async function bundle(
	entry: string | { contents: string; folder: string },
	platform: "browser" | "node" = "browser",
): Promise<string> {
	const { outputFiles } = await build({
		...(typeof entry === "string"
			? { entryPoints: [example(entry)] }
			: { stdin: { contents: entry.contents, resolveDir: example(entry.folder), loader: "tsx" } }),
		bundle: true,
		write: false,
		format: "esm",
		platform,
		jsx: "automatic",
		plugins: [vue],
		define: { "process.env.NODE_ENV": '"production"', __VUE_PROD_DEVTOOLS__: "false" },
		alias: { "next/navigation": fileURLToPath(new URL("next-navigation.ts", import.meta.url)) },
		// React's server renderer is CommonJS and requires Node's own modules.
		...(platform === "node" && {
			banner: { js: 'import { createRequire } from "node:module"; const require = createRequire("/");' },
		}),
		logLevel: "silent",
	});
	return outputFiles[0]?.text ?? "";
}

/**
 * Starts a shop on a free port: an example's page and bundle, and the real proxy mounted at /ferry, which delivers to a
 * sandbox.
 */
export async function startShop({ page, script = "" }: { page: string; script?: string }) {
	const sandbox = await startSandbox();
	const folder = temporaryFolder();
	const app = express();
	const server = createServer(app).listen(0, "127.0.0.1");
	await once(server, "listening");
	const address = server.address();
	if (address === null || typeof address === "string") throw new Error("the shop has no port");
	const url = `http://127.0.0.1:${address.port}`;
	const proxy = createProxy({
		store: `sqlite:${folder.path}/store.db`,
		logLevel: "silent",
		sites: [{ writeKey: "site_shop", origins: [url], ...sandbox.destinations }],
	});
	await proxy.start();
	app.use("/ferry", proxy.router);
	// Chromium, except for its headless shell, requests the icon and reports a 404 as an error of the page.
	app.get("/favicon.ico", (_request, response) => void response.status(204).end());
	app.get("/bundle.js", (_request, response) => void response.type("js").send(script));
	app.get("/", (_request, response) => void response.type("html").send(page));
	return {
		url,
		sandbox,
		async stop() {
			server.close();
			await proxy.stop();
			server.closeAllConnections();
			await sandbox.stop();
			folder.remove();
		},
	};
}
