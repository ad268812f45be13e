import type { BrowserContextOptions, Page } from "playwright-core";
import { expect } from "vitest";
import { adminToken } from "../support/proxy.ts";
import { type Chromium, launchChromium } from "./chromium.ts";

/** Opens pages of the console in a browser of its own, and collects their errors and violations of their policy. */
export async function consolePages() {
	const chromium: Chromium = await launchChromium();
	const opened = new Set<Page>();
	let errors: string[] = [];

	async function open(url: string, options: BrowserContextOptions = {}): Promise<Page> {
		const context = await chromium.visitor(options);
		await context.exposeFunction("noteViolation", (violation: string) => errors.push(violation));
		await context.addInitScript(() => {
			document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile }) => {
				const { noteViolation } = window as unknown as { noteViolation(violation: string): void };
				noteViolation(`${violatedDirective} ${blockedURI} ${sourceFile}`);
			});
		});
		const page = await context.newPage();
		page.setDefaultTimeout(15_000);
		page.on("pageerror", (error) => errors.push(error.message));
		page.on("dialog", (dialog) => errors.push(`a dialog: ${dialog.message()}`));
		page.on("console", (message) => {
			// The browser itself logs the 401 from which the page learns that it needs a token.
			if (message.type() === "error" && !message.text().includes("401")) errors.push(message.text());
		});
		await page.goto(url);
		opened.add(page);
		return page;
	}

	return {
		open,
		/** Opens the console of a proxy, signed in. Resolves once it shows a plot. */
		async signedIn(proxy: string, options?: BrowserContextOptions, hash = ""): Promise<Page> {
			const page = await open(`${proxy}/console${hash}`, options);
			await page.fill("#token", adminToken);
			await page.keyboard.press("Enter");
			await page.waitForSelector(".plot canvas");
			return page;
		},
		/** Closes all pages before the proxy stops, as they would report its absence. Expects no errors in them. */
		async closePages(): Promise<void> {
			for (const page of opened) await page.context().close();
			opened.clear();
			const found = errors;
			errors = [];
			expect(found).toEqual([]);
		},
		close: () => chromium.close(),
	};
}
