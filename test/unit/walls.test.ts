import { describe, expect, it } from "vitest";
import { circles, type Import, importsOf, readTree, type Tree, upwards, within } from "../support/import-graph.ts";

/** The rooms of server/, lowest first: each imports itself and lower ones. Rooms in one line are strangers to each other. */
const order = [
	["shared"],
	...[
		["version.ts", "stored-event.ts"],
		["outbox"],
		["outbox/sqlite", "outbox/postgres"],
		["outbox/migrate", "outbox/open.ts"],
		["http"],
		["providers"],
		["config"],
		["ingest"],
		["delivery"],
		["inbound"],
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
/** Imports of a package from other files than these. */
const elsewhere = (tree: Tree, name: string, allowed: RegExp) =>
	shown(importsOf(tree).filter(({ file, from, typesOnly }) => from === name && !typesOnly && !allowed.test(file)));
const code = (text: string) => text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
/** Files other than these whose text matches. */
const filesWith = (tree: Tree, pattern: RegExp, allowed: RegExp) =>
	Object.entries(tree).flatMap(([file, text]) => (!allowed.test(file) && pattern.test(text) ? [file] : []));

/** Files whose code may name a provider. server/index.ts exports createCrisp; an event's `person.ids` has each provider's own id. */
const mayNameProviders = /^server\/(providers|crisp|sandbox)\/|^server\/index\.ts$|^shared\/event\.ts$/;

interface Wall {
	name: string;
	/** Finds what breaks the wall in a tree. */
	wrong(tree: Tree): unknown[];
	/** A tree that breaks the wall, and what is wrong in it. */
	seen: [Tree, unknown[]];
}

const walls: Wall[] = [
	{
		name: "no room of server/ imports a higher one",
		wrong: (tree) => upwards(importsOf({ ...within(tree, "server/"), ...within(tree, "shared/") }), order),
		seen: [
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
		wrong: (tree) => circles(importsOf(tree)),
		seen: [
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
		name: "server/ has eight files at most outside its rooms",
		wrong: (tree) =>
			Object.keys(tree)
				.filter((file) => /^server\/[^/]+$/.test(file))
				.slice(8),
		seen: [Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`server/${n}.ts`, ""])), ["server/8.ts"]],
	},
	{
		name: "client/ takes types from shared/ and idb-keyval, and its React part react, nothing else",
		wrong: (tree) =>
			shown(
				outside(tree, "client").filter(
					({ file, from, typesOnly }) =>
						from !== "idb-keyval" &&
						!(file === "client/react.ts" && from === "react") &&
						!(typesOnly && from.startsWith("shared/")),
				),
			),
		seen: [
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
		wrong: (tree) => shown(outside(tree, "shared").filter(({ from }) => from !== "zod")),
		seen: [
			{ "shared/a.ts": 'import * as z from "zod";\nimport { readFileSync } from "node:fs";' },
			["shared/a.ts → node:fs"],
		],
	},
	{
		name: "server/ never imports client/",
		wrong: (tree) => shown(importsOf(within(tree, "server/")).filter(({ from }) => from.startsWith("client/"))),
		seen: [{ "server/http/a.ts": 'import type { A } from "../../client/a.ts";' }, ["server/http/a.ts → client/a.ts"]],
	},
	{
		name: "the console's page takes types from shared/, preact and uplot, nothing else",
		wrong: (tree) =>
			shown(
				outside(tree, "server/console/page").filter(
					({ from, typesOnly }) =>
						!/^(preact|preact\/hooks|uplot)$/.test(from) && !(typesOnly && from.startsWith("shared/")),
				),
			),
		seen: [
			{
				"server/console/page/a.tsx":
					'import { useState } from "preact/hooks";\nimport { statsSchema } from "../../../shared/admin.ts";',
			},
			["server/console/page/a.tsx → shared/admin.ts"],
		],
	},
	{
		name: "only server/outbox/sqlite/ and the migration from it use node:sqlite",
		wrong: (tree) => elsewhere(tree, "node:sqlite", /^server\/outbox\/(sqlite|migrate)\//),
		seen: [
			{ "server/outbox/a.ts": 'import { DatabaseSync } from "node:sqlite";' },
			["server/outbox/a.ts → node:sqlite"],
		],
	},
	{
		name: "only server/outbox/postgres/ uses pg",
		wrong: (tree) => elsewhere(tree, "pg", /^server\/outbox\/postgres\//),
		seen: [{ "server/outbox/migrate/a.ts": 'await import("pg");' }, ["server/outbox/migrate/a.ts → pg"]],
	},
	{
		name: "only server/http/, router.ts and the sandbox use express, the rooms its types",
		wrong: (tree) => elsewhere(tree, "express", /^server\/(http\/|sandbox\/|router\.ts$)/),
		seen: [
			{
				"server/ingest/a.ts": 'import { Router } from "express";',
				"server/admin/a.ts": 'import type { Request } from "express";',
			},
			["server/ingest/a.ts → express"],
		],
	},
	{
		name: "only server/crisp/client.ts uses Crisp's own client, and imports it when it is used",
		wrong: (tree) => [
			...elsewhere(tree, "crisp-api", /^server\/crisp\/client\.ts$/),
			...shown(
				importsOf(within(tree, "server/")).filter(
					({ file, from }) => from === "crisp-api" && !file.startsWith("server/crisp/"),
				),
			),
			...filesWith(tree, /^import (?!type)[^;]*"crisp-api"/m, /^$/),
		],
		seen: [
			{
				"server/crisp/client.ts": 'import { Crisp } from "crisp-api";',
				"server/inbound/a.ts": 'import type { Crisp } from "crisp-api";',
				"server/crisp/a.ts": 'await import("crisp-api");',
			},
			["server/crisp/a.ts → crisp-api", "server/inbound/a.ts → crisp-api", "server/crisp/client.ts"],
		],
	},
	{
		name: "the sandbox is a stranger to the rest of the server",
		wrong: (tree) =>
			shown(
				outside(tree, "server/sandbox").filter(({ from }) => from.startsWith("server/") || from.startsWith("shared/")),
			),
		seen: [
			{ "server/sandbox/a.ts": 'import type { Event } from "../../shared/event.ts";' },
			["server/sandbox/a.ts → shared/event.ts"],
		],
	},
	{
		name: "only server/providers/ and the rooms of a single provider know a provider's name",
		wrong: (tree) =>
			Object.entries(tree)
				.filter(([file]) => /^(server|shared)\//.test(file))
				.filter(([file]) => !mayNameProviders.test(file))
				.flatMap(([file, text]) => (/\b(crisp|helpcrunch|vibetrace)\b/i.test(code(text)) ? [file] : [])),
		seen: [
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
		wrong: (tree) =>
			filesWith(
				tree,
				/\b(SELECT\s.+\sFROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM|CREATE (TABLE|INDEX))\b/,
				/^server\/outbox\//,
			),
		seen: [
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
		wrong: (tree) => filesWith(tree, /process\.env|loadEnvFile/, /^server\/config\/config\.ts$/),
		seen: [
			{ "server/serve.ts": "process.env.PORT", "server/config/config.ts": "process.env.PORT" },
			["server/serve.ts"],
		],
	},
];

describe("the walls in ARCHITECTURE.md", () => {
	const tree = readTree("client", "server", "shared");

	it("see every import", () => {
		const texts = Object.values(tree).flatMap((text) => text.match(/ from ["'][^"']+["'];$|^import ["']/gm) ?? []);
		expect(texts.length).toBeGreaterThan(900);
		expect(importsOf(tree).length).toBeGreaterThanOrEqual(texts.length);
	});

	const named = walls.map((wall) => [wall.name, wall] as const);

	it.each(named)("stand: %s", (_name, { wrong }) => expect(wrong(tree)).toEqual([]));

	it.each(named)("are seen to fall: %s", (_name, { wrong, seen: [broken, expected] }) =>
		expect(wrong(broken)).toEqual(expected),
	);
});
