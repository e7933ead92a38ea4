// A desktop without a language (`LANG=C`) makes WebKit say one that Intl refuses, which uPlot asks as it loads.

try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en-US" });
}
