/**
 * Under a system locale such as `C`, Chromium names its language `en-US@posix`, which `Intl` refuses. uPlot asks
 * `Intl` for it as it loads, so this stands before it.
 */
try {
	Intl.getCanonicalLocales(navigator.language);
} catch {
	Object.defineProperty(navigator, "language", { value: "en" });
}

export {};
