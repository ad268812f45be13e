import { writeFileSync } from "node:fs";
import { pages } from "./pages.ts";

for (const [file, text] of Object.entries(await pages())) writeFileSync(file, text);
