/** `[^u]bot`: CUBOT makes phones. `+http`: how crawlers give their address. */
const declared = /[^u]bots?\b|crawl|spider|slurp|headless|lighthouse|inspectiontool|\+http/i;

/**
 * Whether this browser is driven (`navigator.webdriver`), headless or calls itself a crawler.
 * Light on purpose: when in doubt it is a visitor.
 */
export function isBot(browser: Pick<Navigator, "webdriver" | "userAgent"> = navigator): boolean {
	return !!browser.webdriver || declared.test(browser.userAgent);
}
