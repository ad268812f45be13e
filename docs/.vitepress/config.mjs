import { fileURLToPath } from "node:url";
import { defineConfig } from "vitepress";

const repository = "https://github.com/eventferry/eventferry";

/** Makes a heading's anchor as GitHub does, so that a link with one works in both places. */
const slugify = (heading) =>
	heading
		.trim()
		.toLowerCase()
		.replaceAll(/[^\p{L}\p{N}_\- ]/gu, "")
		.replaceAll(" ", "-");

const section = (text, pages) => ({
	text,
	items: Object.entries(pages).map(([page, title]) => ({ text: title, link: `/${page}` })),
});

export default defineConfig({
	title: "eventferry",
	description: "Your visitors' events on their profiles in Crisp, HelpCrunch and Vibetrace",
	cacheDir: fileURLToPath(new URL("../../node_modules/.cache/vitepress", import.meta.url)),
	vite: { build: { chunkSizeWarningLimit: 2_000 } },
	markdown: {
		languageAlias: { caddy: "nginx" },
		anchor: { slugify },
		config(md) {
			// Files outside docs/ are in the repository, not in the site.
			const link = md.renderer.rules.link_open;
			md.renderer.rules.link_open = (tokens, index, options, env, self) => {
				const href = tokens[index].attrGet("href");
				if (href.startsWith("../")) tokens[index].attrSet("href", `${repository}/blob/main/${href.slice(3)}`);
				return link(tokens, index, options, env, self);
			};
			// Braces in code are text, not Vue's.
			const code = md.renderer.rules.code_inline;
			md.renderer.rules.code_inline = (tokens, index, options, env, self) => {
				tokens[index].attrSet("v-pre", "");
				return code(tokens, index, options, env, self);
			};
		},
	},
	themeConfig: {
		search: { provider: "local" },
		outline: [2, 3],
		socialLinks: [{ icon: "github", link: repository }],
		sidebar: [
			section("Begin", {
				start: "Start",
				browser: "Browser",
				server: "Server",
				migrating: "Migrating",
				"google-tag-manager": "Google Tag Manager",
				segment: "Segment and RudderStack",
			}),
			section("Choose", {
				configuration: "Configuration",
				rules: "Rules",
				providers: "What becomes of a call",
				destinations: "Your own destinations",
				privacy: "Privacy",
			}),
			section("Keep running", {
				operating: "Operating",
				troubleshooting: "Troubleshooting",
				failures: "When things fail",
				scale: "Past one machine",
			}),
			section("Look up", {
				api: "API",
				http: "HTTP",
				command: "Command",
				metrics: "Metrics",
				crisp: "Crisp beyond events",
				testing: "In your own tests",
				runtimes: "Serverless, Deno, Bun, Jest",
				glossary: "Glossary",
			}),
			section("Know more", {
				comparison: "Comparison",
				benchmarks: "Benchmarks",
				simulation: "A simulated day",
				dependencies: "Dependencies",
			}),
		],
	},
});
