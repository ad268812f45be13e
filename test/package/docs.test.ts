import { execFile } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import express from "express";
import { beforeAll, describe, expect, test } from "vitest";
import { configSchema } from "../../server/config/schema.ts";
import { listen } from "../bench/listen.ts";
import { exampleConfig } from "../docs/configuration.ts";
import { pages } from "../docs/pages.ts";

const run = promisify(execFile);

describe("the pages that are written from the code", () => {
	test("match it: `npm run docs` writes them", async () => {
		for (const [file, text] of Object.entries(await pages())) expect(readFileSync(file, "utf8"), file).toBe(text);
	});

	test("have examples that the schema takes", () => {
		const checked = configSchema({ sandbox: false, needsDestination: true }).safeParse(exampleConfig());
		expect(checked.error?.issues).toBeUndefined();
	});
});

describe("the site", () => {
	const folder = "docs/.vitepress/dist";
	beforeAll(() => run("npm", ["run", "--silent", "docs:build"]));

	test("answers every link and anchor in it, served as static files", async () => {
		const { createServer } = await import("node:http");
		const server = createServer(express().use(express.static(folder)));
		const url = await listen(server);
		try {
			const site = globSync("*.html", { cwd: folder });
			expect(site.length).toBeGreaterThan(25);
			const htmlOf = new Map<string, string>();
			const dead: string[] = [];
			let links = 0;
			for (const page of site) htmlOf.set(`/${page}`, await (await fetch(`${url}/${page}`)).text());
			for (const [page, html] of htmlOf) {
				for (const [, target = ""] of html.matchAll(/\s(?:href|src|srcset)="([^"]+)"/g)) {
					const { pathname, hash, origin } = new URL(target, `${url}${page}`);
					if (origin !== url || target.startsWith("data:")) continue;
					links += 1;
					const path = pathname === "/" ? "/index.html" : decodeURI(pathname);
					let text = htmlOf.get(path);
					if (text === undefined) {
						const response = await fetch(url + path);
						text = await response.text();
						if (!response.ok) dead.push(`${page}: ${target}`);
						htmlOf.set(path, "");
					}
					const anchor = decodeURIComponent(hash.slice(1));
					if (anchor && !text.includes(` id="${anchor}"`)) dead.push(`${page}: ${target}`);
				}
			}
			expect(dead).toEqual([]);
			expect(links).toBeGreaterThan(500);
		} finally {
			server.close();
			server.closeAllConnections();
		}
	});
});
