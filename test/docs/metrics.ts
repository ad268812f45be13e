import { served } from "./http.ts";

/** Resolves to the text of docs/metrics.md. */
export async function metricsPage(): Promise<string> {
	const text = await served("/metrics");
	const rows = [...text.matchAll(/^# HELP (\w+) (.*)\n# TYPE \w+ (\w+)$/gm)].map(
		([, name, help = "", type]) => `| \`${name}\` | ${type} | ${help} |\n`,
	);
	return `# Metrics

<!-- Written by \`npm run docs\` from the texts of /metrics. -->

What \`GET /metrics\` tells Prometheus. [Operating](operating.md#metrics-and-alerts) has alerts and a dashboard. Labels: \`site\` is the host of a site's first origin, \`destination\` its name in the configuration; the others come from the code. No visitor and no provider can add a time series.

| metric | type | |
|---|---|---|
${rows.join("")}`;
}
