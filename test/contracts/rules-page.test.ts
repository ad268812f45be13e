import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CommandLine, commandLine } from "../support/command.ts";

const page = readFileSync("docs/rules.md", "utf8");
const blocks = [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].map(([, language, text = ""]) => ({ language, text }));
const [config = ""] = blocks.filter(({ language }) => language === "js").map(({ text }) => text);
const commandsShown = blocks.filter(({ language }) => language === "sh").map(({ text }) => text);

let commands: CommandLine;
beforeAll(async () => {
	commands = await commandLine();
	await writeFile(join(commands.folder, "eventferry.config.mjs"), config);
});
afterAll(() => commands.stop());

/** Runs a command as the page has it; its event is the only argument in quotes. */
function run(text: string) {
	const [line = ""] = text.split("\n");
	const [, event = "", rest = ""] = /^eventferry explain '(.*)'(.*)$/.exec(line) ?? [];
	return commands.run(["explain", event, ...rest.split(" ").filter(Boolean)]);
}

test("the shop's configuration in docs/rules.md is right, and none of its rules is without effect", async () => {
	const readable = config.replaceAll('"…"', '"x"');
	await writeFile(join(commands.folder, "eventferry.config.mjs"), readable);
	const { code, stderr } = await commands.run(["check"]);
	expect([code, stderr.split("\n").filter((line) => line.includes("rules"))]).toEqual([0, []]);
});

test("the commands in docs/rules.md print what it shows", async () => {
	const [shown = "", json = ""] = commandsShown;
	const { code, stdout } = await run(shown);
	const answer = shown
		.split("\n")
		.slice(1)
		.filter(Boolean)
		.map((line) => line.replace(/^# /, ""));
	expect(code).toBe(0);
	expect(stdout.replaceAll("/website/x/", "/website/…/").trimEnd().split("\n")).toEqual(answer);
	const printed = JSON.parse((await run(json)).stdout);
	expect(printed.destinations.crisp).toMatchObject({ sent: false, by: { send: "rules[3]" } });
});
