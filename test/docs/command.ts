import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Resolves to what the command prints. */
async function printed(...args: string[]): Promise<string> {
	const { stdout } = await run(process.execPath, ["dist/server/cli.js", ...args], { env: { PATH: "/usr/bin:/bin" } });
	return stdout.trimEnd();
}

/** Resolves to the text of docs/command.md. Needs a build. */
export async function commandPage(): Promise<string> {
	const usage = await printed("--help");
	const names = new Set([...usage.matchAll(/^ {2}eventferry ([a-z]+)\b/gm)].map(([, name = ""]) => name));
	const sections = await Promise.all(
		[...names].map(async (name) => {
			// The variables of a configuration are the same for all commands.
			const help = (await printed("help", name)).replace(/\n\nVariables, each also as NAME_FILE, a file[\s\S]*/, "");
			return `## ${name}\n\n\`\`\`text\n${help}\n\`\`\`\n`;
		}),
	);
	return `# Command

<!-- Written by \`npm run docs\` from the help texts. -->

\`eventferry COMMAND --help\`, for all commands. In a project with the package installed it is \`npx eventferry\`.

- Commands that operate a running proxy find it by \`--url\` or \`EVENTFERRY_URL\` (default \`http://127.0.0.1:8788\`), and have \`EVENTFERRY_SERVER_KEY\` or \`EVENTFERRY_ADMIN_TOKEN\` from the environment.
- The others read the configuration: [its variables](configuration.md), or \`eventferry.config.mjs\`.
- A provider takes what is replayed for new, and its automations may write to people: at a terminal \`replay\` says how old the events are and asks first.
- \`--json\` prints JSON. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.

${sections.join("\n")}`;
}
