/**
 * Words by which crawlers and headless browsers name themselves. `[^u]bot` leaves out phones by CUBOT; `+http` comes
 * before the address of a crawler's operator.
 */
const declared = /[^u]bots?\b|compatible;|crawl|spider|headless|lighthouse|http/i;

/**
 * Tells whether a browser is driven by a program (`navigator.webdriver`), is headless or names itself a crawler.
 * False when in doubt, so that no visitor is lost.
 */
export const isBot = (browser: Pick<Navigator, "webdriver" | "userAgent"> = navigator): boolean => {
	return browser.webdriver || declared.test(browser.userAgent);
};
