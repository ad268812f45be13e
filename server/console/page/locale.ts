/**
 * Replaces a language that `Intl` refuses. Under a system locale such as `C`, Chromium names its language `en-US@posix`
 * (https://github.com/adobe/react-spectrum/issues/2436), and uPlot passes it to `Intl` while it loads.
 */
try {
	Intl.getCanonicalLocales(navigator.language);
} catch {
	Object.defineProperty(navigator, "language", { value: "en" });
}

export {};
