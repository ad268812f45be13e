import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";
import { pageFiles } from "../support/readme.ts";

/** A page's text without its blocks of code and its code in lines. */
const proseOf = (page: string) =>
	readFileSync(page, "utf8")
		.replaceAll(/^```[\s\S]*?^```/gm, "")
		.replaceAll(/`[^`]*`/g, (code) => code.replaceAll(/[[\]()"]/g, ""));

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): string[] {
	const headings = [...proseOf(page).matchAll(/^#{1,6} (.*)$/gm)].map(([, text = ""]) =>
		text
			.replaceAll(/[`*]/g, "")
			.toLowerCase()
			.replaceAll(/[^\p{L}\p{N}_\- ]/gu, "")
			.replaceAll(" ", "-"),
	);
	return headings.map((anchor, index) => {
		const before = headings.slice(0, index).filter((other) => other === anchor).length;
		return before === 0 ? anchor : `${anchor}-${before}`;
	});
}

/** Targets of the links and pictures in a page. */
const targetsOf = (page: string) =>
	[...proseOf(page).matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g)].map(
		([, link, source]) => link ?? source ?? "",
	);

const shipped: string[] = JSON.parse(readFileSync("package.json", "utf8")).files;
/** Whether npm puts a file of the repository into the package. */
const isShipped = (file: string) =>
	/^docs\/[^/]*\.(md|png|svg)$/.test(file) || shipped.some((each) => file === each || file.startsWith(`${each}/`));
const repository = "https://github.com/eventferry/eventferry";

test.each(pageFiles)(
	"the links of %s lead to files and headings that are there, in the repository and in the package",
	(page) => {
		const dead = targetsOf(page).filter((target) => {
			const [path = "", anchor] = target.replace(`${repository}/blob/main/`, "/").split("#");
			if (/^\w+:/.test(path)) return false;
			const file = path === "" ? page : path.startsWith("/") ? path.slice(1) : normalize(join(dirname(page), path));
			if (!existsSync(file)) return true;
			if (!path.startsWith("/") && !isShipped(file)) return true;
			return anchor !== undefined && file.endsWith(".md") && !anchorsOf(file).includes(anchor);
		});
		expect(dead).toEqual([]);
	},
);

test("every page of docs/ is named in the contents, and in the site's", () => {
	const contents = readFileSync("docs/index.md", "utf8") + readFileSync("README.md", "utf8");
	const site = readFileSync("docs/.vitepress/config.mjs", "utf8");
	const pages = pageFiles.filter((page) => page.startsWith("docs/") && page !== "docs/index.md");
	expect(pages.filter((page) => !contents.includes(page.replace("docs/", "")))).toEqual([]);
	expect(pages.filter((page) => !new RegExp(`\\b${page.slice(5, -3)}"?: "`).test(site))).toEqual([]);
});

test("the README is short", () => {
	const readme = readFileSync("README.md", "utf8");
	expect(Buffer.byteLength(readme)).toBeLessThanOrEqual(12_000);
	expect(readme.split("\n").length).toBeLessThanOrEqual(200);
});
