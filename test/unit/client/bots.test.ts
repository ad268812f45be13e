import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { isBot } from "../../../client/bots.ts";

const visits = (userAgent: string, webdriver = false) => isBot({ userAgent, webdriver });

describe("a bot", () => {
	test("is a browser under WebDriver control, whatever its user agent", () => {
		expect(visits("Mozilla/5.0 (X11; Linux x86_64) Chrome/147.0.0.0 Safari/537.36", true)).toBe(true);
	});

	test.each([
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
		"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0",
		"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) Chrome/147.0 Mobile Safari/537.36 (compatible; AdsBot-Google-Mobile)",
		"Mozilla/5.0 (compatible; YandexBot/3.0)",
		"Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/147.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Macintosh) Chrome/147.0 Safari/537.36 Chrome-Lighthouse",
		"Mozilla/5.0 (compatible; Baiduspider/2.0)",
		"Mozilla/5.0 (Linux; Android 7.0;) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 (compatible; PetalBot;+https://webmaster.petalsearch.com/site/petalbot)",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
		"Mozilla/5.0 (compatible; AhrefsSiteAudit/6.1; +http://ahrefs.com/robot/site-audit)",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko; compatible; Google-InspectionTool/1.0;) Chrome/147.0.0.0 Safari/537.36",
		"Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
		"Screaming Frog SEO Spider/19.0",
	])("is %s", (userAgent) => {
		expect(visits(userAgent)).toBe(true);
	});

	test.each([
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36",
		"Mozilla/5.0 (Linux; Android 11; CUBOT KINGKONG 5) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36",
		"",
	])("is not %s", (userAgent) => {
		expect(visits(userAgent)).toBe(false);
	});

	test("is none of more than 1,000 user agents of real browsers", () => {
		const file = new URL("user-agents.json", import.meta.resolve("user-agents"));
		const known: { userAgent: string }[] = JSON.parse(readFileSync(file, "utf8"));
		expect(known.length).toBeGreaterThan(1_000);
		expect(known.filter(({ userAgent }) => visits(userAgent))).toEqual([]);
	});
});
