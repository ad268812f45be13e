import { apiPage } from "./api.ts";
import { commandPage } from "./command.ts";
import { configurationPage } from "./configuration.ts";
import { httpPage } from "./http.ts";
import { metricsPage } from "./metrics.ts";

/** Makes the pages that are written from the code, by their files. Needs a build. */
export const pages = async (): Promise<Record<string, string>> => ({
	"docs/configuration.md": configurationPage(),
	"docs/api.md": apiPage(),
	"docs/http.md": await httpPage(),
	"docs/metrics.md": await metricsPage(),
	"docs/command.md": await commandPage(),
});
