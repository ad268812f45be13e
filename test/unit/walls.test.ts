import { describe, expect, it } from "vitest";
import { circles, type Import, importsOf, readTree, type Tree, upwards, within } from "../support/import-graph.ts";

/**
 * Folders and files of server/, lowest first: each imports only itself and lower ones.
 * Places in one line do not import each other.
 */
const order = [
	["shared"],
	...[
		["version.ts", "stored-event.ts"],
		["outbox"],
		["outbox/sqlite", "outbox/postgres"],
		["outbox/migrate", "outbox/open.ts"],
		["http"],
		["providers"],
		["destinations"],
		["config"],
		["ingest"],
		["routing"],
		["delivery"],
		["inbound", "segment"],
		["crisp"],
		["observe"],
		["admin"],
		["console", "openapi", "sandbox"],
		["sites.ts"],
		["router.ts"],
		["proxy.ts"],
		["serve.ts"],
		["command"],
		["cli.ts", "index.ts"],
	].map((beside) => beside.map((place) => `server/${place}`)),
];

const outside = (tree: Tree, folder: string) =>
	importsOf(within(tree, `${folder}/`)).filter(({ from }) => !from.startsWith(`${folder}/`));
const shown = (imports: readonly Import[]) => imports.map(({ file, from }) => `${file} → ${from}`);
/** Imports of a package in files that are not allowed to. */
const elsewhere = (tree: Tree, name: string, allowed: RegExp) =>
	shown(importsOf(tree).filter(({ file, from, typesOnly }) => from === name && !typesOnly && !allowed.test(file)));
const code = (text: string) => text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
/** Files that match a pattern without being allowed to. */
const filesWith = (tree: Tree, pattern: RegExp, allowed: RegExp) =>
	Object.entries(tree).flatMap(([file, text]) => (!allowed.test(file) && pattern.test(text) ? [file] : []));

/** Files whose code may name a provider. server/index.ts exports createCrisp; an event's `person.ids` has each provider's own id. */
const mayNameProviders = /^server\/(providers|crisp|sandbox)\/|^server\/index\.ts$|^shared\/event\.ts$/;

interface Wall {
	name: string;
	/** Returns the violations of the wall in a tree. */
	violations(tree: Tree): unknown[];
	/** A tree that breaks the wall, and the violations in it. */
	example: [Tree, unknown[]];
}

const walls: Wall[] = [
	{
		name: "no folder of server/ imports a higher one",
		violations: (tree) => upwards(importsOf({ ...within(tree, "server/"), ...within(tree, "shared/") }), order),
		example: [
			{
				"shared/a.ts": 'import { z } from "../server/version.ts";',
				"server/outbox/a.ts": 'import type { Event } from "../../shared/event.ts";\nexport * from "./sqlite/b.ts";',
				"server/outbox/sqlite/a.ts": 'import { a } from "../outbox.ts";\nimport { b } from "../postgres/b.ts";',
				"server/http/a.ts": 'import { open } from "../outbox/open.ts";\nimport type { Site } from "../sites.ts";',
				"server/sites.ts": 'import "./router.ts";',
				"server/loose.ts": 'import "./version.ts";',
			},
			[
				"server/outbox/a.ts → server/outbox/sqlite/b.ts",
				"server/outbox/sqlite/a.ts → server/outbox/postgres/b.ts",
				"server/http/a.ts → server/sites.ts",
				"server/sites.ts → server/router.ts",
				"server/loose.ts has no place",
				"shared/a.ts → server/version.ts",
			],
		],
	},
	{
		name: "no files import each other in a circle",
		violations: (tree) => circles(importsOf(tree)),
		example: [
			{
				"client/a.ts": 'import { b } from "./b.ts";',
				"client/b.ts": 'import type { C } from "./c.ts";',
				"client/c.ts": 'export { a } from "./a.ts";\nimport { d } from "./d.ts";',
				"client/d.ts": 'import "./e.ts";',
				"server/x.ts": 'import type { Y } from "./y.ts";',
				"server/y.ts": 'const x = await import("./x.ts");',
			},
			[
				["client/a.ts", "client/b.ts", "client/c.ts"],
				["server/x.ts", "server/y.ts"],
			],
		],
	},
	{
		name: "server/ has at most eight files outside its folders",
		violations: (tree) =>
			Object.keys(tree)
				.filter((file) => /^server\/[^/]+$/.test(file))
				.slice(8),
		example: [Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`server/${n}.ts`, ""])), ["server/8.ts"]],
	},
	{
		name: "client/ imports only idb-keyval, shared/shop.ts, types of shared/, and react in react.ts",
		violations: (tree) =>
			shown(
				outside(tree, "client").filter(
					({ file, from, typesOnly }) =>
						from !== "idb-keyval" &&
						from !== "shared/shop.ts" &&
						!(file === "client/react.ts" && from === "react") &&
						!(typesOnly && from.startsWith("shared/")),
				),
			),
		example: [
			{
				"client/a.ts":
					'import { limits } from "../shared/event.ts";\nimport type { E } from "../shared/event.ts";\nimport "react";',
				"client/react.ts": 'import { useRef } from "react";\nimport type { A } from "../server/a.ts";',
			},
			["client/a.ts → shared/event.ts", "client/a.ts → react", "client/react.ts → server/a.ts"],
		],
	},
	{
		name: "shared/ imports zod only",
		violations: (tree) => shown(outside(tree, "shared").filter(({ from }) => from !== "zod")),
		example: [
			{ "shared/a.ts": 'import * as z from "zod";\nimport { readFileSync } from "node:fs";' },
			["shared/a.ts → node:fs"],
		],
	},
	{
		name: "server/ never imports client/",
		violations: (tree) => shown(importsOf(within(tree, "server/")).filter(({ from }) => from.startsWith("client/"))),
		example: [
			{ "server/http/a.ts": 'import type { A } from "../../client/a.ts";' },
			["server/http/a.ts → client/a.ts"],
		],
	},
	{
		name: "the console's page imports only preact, uplot, shared/size.ts, shared/masking.ts and types of shared/",
		violations: (tree) =>
			shown(
				outside(tree, "server/console/page").filter(
					({ from, typesOnly }) =>
						!/^(preact|preact\/hooks|uplot|shared\/(size|masking)\.ts)$/.test(from) &&
						!(typesOnly && from.startsWith("shared/")),
				),
			),
		example: [
			{
				"server/console/page/a.tsx":
					'import { useState } from "preact/hooks";\nimport { statsSchema } from "../../../shared/admin.ts";',
			},
			["server/console/page/a.tsx → shared/admin.ts"],
		],
	},
	{
		name: "only server/outbox/sqlite/ and the migration from it use node:sqlite",
		violations: (tree) => elsewhere(tree, "node:sqlite", /^server\/outbox\/(sqlite|migrate)\//),
		example: [
			{ "server/outbox/a.ts": 'import { DatabaseSync } from "node:sqlite";' },
			["server/outbox/a.ts → node:sqlite"],
		],
	},
	{
		name: "only server/outbox/postgres/ uses pg",
		violations: (tree) => elsewhere(tree, "pg", /^server\/outbox\/postgres\//),
		example: [{ "server/outbox/migrate/a.ts": 'await import("pg");' }, ["server/outbox/migrate/a.ts → pg"]],
	},
	{
		name: "only server/http/, router.ts and the sandbox use express, and others at most its types",
		violations: (tree) => elsewhere(tree, "express", /^server\/(http\/|sandbox\/|router\.ts$)/),
		example: [
			{
				"server/ingest/a.ts": 'import { Router } from "express";',
				"server/admin/a.ts": 'import type { Request } from "express";',
			},
			["server/ingest/a.ts → express"],
		],
	},
	{
		name: "only server/crisp/client.ts uses Crisp's own client, and imports it when it is used",
		violations: (tree) => [
			...elsewhere(tree, "crisp-api", /^server\/crisp\/client\.ts$/),
			...shown(
				importsOf(within(tree, "server/")).filter(
					({ file, from }) => from === "crisp-api" && !file.startsWith("server/crisp/"),
				),
			),
			...filesWith(tree, /^import (?!type)[^;]*"crisp-api"/m, /^$/),
		],
		example: [
			{
				"server/crisp/client.ts": 'import { Crisp } from "crisp-api";',
				"server/inbound/a.ts": 'import type { Crisp } from "crisp-api";',
				"server/crisp/a.ts": 'await import("crisp-api");',
			},
			["server/crisp/a.ts → crisp-api", "server/inbound/a.ts → crisp-api", "server/crisp/client.ts"],
		],
	},
	{
		name: "the sandbox imports nothing of the rest of the server",
		violations: (tree) =>
			shown(
				outside(tree, "server/sandbox").filter(({ from }) => from.startsWith("server/") || from.startsWith("shared/")),
			),
		example: [
			{ "server/sandbox/a.ts": 'import type { Event } from "../../shared/event.ts";' },
			["server/sandbox/a.ts → shared/event.ts"],
		],
	},
	{
		name: "only server/providers/, server/crisp/ and the sandbox name a provider",
		violations: (tree) =>
			Object.entries(tree)
				.filter(([file]) => /^(server|shared)\//.test(file))
				.filter(([file]) => !mayNameProviders.test(file))
				.flatMap(([file, text]) => (/\b(crisp|helpcrunch|vibetrace)\b/i.test(code(text)) ? [file] : [])),
		example: [
			{
				"server/ingest/a.ts": 'const name = "crisp";',
				"server/ingest/b.ts": "/** Crisp's. */ const name = ''; // as HelpCrunch",
				"server/providers/a.ts": 'const name = "crisp";',
			},
			["server/ingest/a.ts"],
		],
	},
	{
		name: "only server/outbox/ contains SQL",
		violations: (tree) =>
			filesWith(
				tree,
				/\b(SELECT\s.+\sFROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM|CREATE (TABLE|INDEX))\b/,
				/^server\/outbox\//,
			),
		example: [
			{
				"server/admin/a.ts": 'sql("SELECT a FROM b")',
				"client/a.ts": 'sql("DELETE FROM b")',
				"server/outbox/a.ts": 'sql("DELETE FROM b")',
			},
			["server/admin/a.ts", "client/a.ts"],
		],
	},
	{
		name: "only server/config/config.ts reads the environment",
		violations: (tree) => filesWith(tree, /process\.env|loadEnvFile/, /^server\/config\/config\.ts$/),
		example: [
			{ "server/serve.ts": "process.env.PORT", "server/config/config.ts": "process.env.PORT" },
			["server/serve.ts"],
		],
	},
];

describe("the walls in ARCHITECTURE.md", () => {
	const tree = readTree("client", "server", "shared");

	it("are checked against every import", () => {
		const texts = Object.values(tree).flatMap((text) => text.match(/ from ["'][^"']+["'];$|^import ["']/gm) ?? []);
		expect(texts.length).toBeGreaterThan(900);
		expect(importsOf(tree).length).toBeGreaterThanOrEqual(texts.length);
	});

	const named = walls.map((wall) => [wall.name, wall] as const);

	it.each(named)("hold: %s", (_name, { violations }) => expect(violations(tree)).toEqual([]));

	it.each(named)("are seen to break: %s", (_name, { violations, example: [broken, expected] }) =>
		expect(violations(broken)).toEqual(expected),
	);
});
