/** A guard that can be taken out: what to look for in a file of the source, once, and what stands there without it. */
interface Guard {
	file: string;
	guard: string;
	without: string;
}

/**
 * What stops each threat of SECURITY.md. `npm run hostile:unguarded` takes it out and sees the threat's test fail.
 * A threat with none here is stopped by how things are made, and says so.
 */
export const guards: Record<string, Guard[] | string> = {
	// ---------------------------------------------------------------- identity
	...Object.fromEntries(
		[
			"a token is signed with a secret that is not ours",
			"a token says that it needs no signature",
			"a token's claims are changed",
		].map((threat) => [
			threat,
			[
				{
					file: "server/ingest/token.ts",
					guard: "await compactVerify(token, key, { algorithms: [algorithm] }).catch(() => undefined)",
					without: `{ payload: Buffer.from(token.split(".")[1] ?? "", "base64url") }`,
				},
			],
		]),
	),
	"a token is signed by another algorithm": [
		{ file: "server/ingest/token.ts", guard: "{ algorithms: [algorithm] }", without: "{}" },
		{
			file: "server/ingest/token.ts",
			guard: `crypto.subtle.importKey("raw", Buffer.from(secret), { name: "HMAC", hash: "SHA-256" }, false, ["verify"])`,
			without: "Buffer.from(secret)",
		},
	],
	"a token was signed for something else, as an e-mail's pixel is": [
		{ file: "server/ingest/token.ts", guard: "[claims.aud].flat().includes(audience)", without: "true" },
	],
	"a visitor with a token of their own names somebody else": [
		{ file: "server/ingest/check-event.ts", guard: "if (isOther)", without: "if (false)" },
	],
	"a visitor without a token names anybody": [
		{ file: "server/ingest/check-event.ts", guard: "if (!identities) {", without: "if (!identities || !token) {" },
	],
	"a token is used after its end": [
		{ file: "server/ingest/check-event.ts", guard: "if (at >= identity.expiresAt)", without: "if (false)" },
	],
	"a token has no end": [
		{ file: "server/ingest/identity-token.ts", guard: "exp: z.number(),", without: "exp: z.number().default(1e12)," },
	],
	"a page sets what only a token may": [
		{
			file: "server/providers/vibetrace/vibetrace.ts",
			guard: "!privileged.has(name) || isSigned(stored, name)",
			without: "true",
		},
	],
	"a token is kept where others can read it": [
		{
			file: "server/ingest/check-event.ts",
			guard: "event.person = {};",
			without: "event.person = { token: event.person.token };",
		},
	],

	// ---------------------------------------------------------------- who may send
	"a page of another origin sends events": [
		{ file: "server/ingest/ingest.ts", guard: "if (!originAllowed(", without: "if (false && !originAllowed(" },
	],
	"an origin only looks like a subdomain of ours": [
		{ file: "server/http/origins.ts", guard: "subdomains.test(", without: "/.*/.test(" },
	],
	"a page of another origin reads what the proxy answers": [
		{
			file: "server/http/origins.ts",
			guard: "if (origin !== undefined && originAllowed(origin, allowed, sandbox)) {",
			without: "if (origin) {",
		},
	],
	"a write key is made up": [
		{
			file: "server/ingest/ingest.ts",
			guard: "sites.find((each) => sameSecret(writeKey, each.writeKey))",
			without: "sites[0]",
		},
	],
	"a visitor sends as the backend": [
		{ file: "server/http/server-key.ts", guard: "sameSecret(key, serverKey)", without: "true" },
	],
	"an operator's route is asked by somebody else": [
		{ file: "server/admin/routes.ts", guard: "sameSecret(given, adminToken)", without: "true" },
	],
	"a page of one site sends to another": [
		{
			file: "server/ingest/ingest.ts",
			guard: "request.headers.origin, site.origins, sandbox",
			without: "request.headers.origin, sites.flatMap(({ origins }) => origins), sandbox",
		},
	],
	"a web page reaches the sandbox by a name that it has made to point there": [
		{ file: "server/admin/routes.ts", guard: "isLoopback(", without: "Boolean(" },
		{
			file: "server/sandbox/page.ts",
			guard: "onlyByPrivateName);",
			without: "(_request, _response, next) => next());",
		},
	],
	"a web page of another origin asks the sandbox": [
		{ file: "server/admin/routes.ts", guard: "(origin === undefined ||", without: "(true ||" },
	],
	"a web server in front opens the sandbox to everybody": [
		{ file: "server/admin/routes.ts", guard: "!isForwarded &&", without: "" },
	],
	"a provider's web hook is made up": [
		{
			file: "server/providers/crisp/hooks.ts",
			guard: "return isFresh && matchesSignature(",
			without: "return true || matchesSignature(",
		},
	],
	"an opened e-mail is made up": [
		{
			file: "server/ingest/token.ts",
			guard: "await compactVerify(token, key, { algorithms: [algorithm] }).catch(() => undefined)",
			without: `{ payload: Buffer.from(token.split(".")[1] ?? "", "base64url") }`,
		},
	],
	"a secret is guessed by how long its comparison takes":
		"not measured: every comparison is of SHA-256 digests by timingSafeEqual, and a test reads that there is no other",

	// ---------------------------------------------------------------- how much
	"an address sends without end": [
		{ file: "server/http/rate-limit.ts", guard: "if (window.used > limit)", without: "if (false)" },
	],
	"a sender makes up other addresses for itself": [
		{ file: "server/http/client-address.ts", guard: "hops < value &&", without: "" },
	],
	"the admin token is guessed": [{ file: "server/http/rate-limit.ts", guard: "wrong.check(sender);", without: "" }],
	"the server key is guessed": [{ file: "server/http/rate-limit.ts", guard: "wrong.check(sender);", without: "" }],
	"a sender uses the many addresses of its network": [
		{ file: "server/http/rate-limit.ts", guard: "const ipv6Prefix = 64;", without: "const ipv6Prefix = 128;" },
	],
	"a write key is used without end, where its site limits that": [
		{ file: "server/ingest/ingest.ts", guard: "perWriteKey?.count(site.writeKey);", without: "" },
	],
	"a body is too large": [
		{ file: "server/http/body-room.ts", guard: "limit: limits.bodyBytes", without: 'limit: "1gb"' },
		{
			file: "server/ingest/read-body.ts",
			guard: "if (Buffer.byteLength(body) > limits.bodyBytes)",
			without: "if (false)",
		},
	],
	"a small body becomes a large one when it is unpacked": [
		{ file: "server/http/body-room.ts", guard: "limit: limits.bodyBytes", without: 'limit: "1gb"' },
	],
	"a batch has too many events": [{ file: "shared/wire.ts", guard: ".max(limits.batchEvents)", without: "" }],
	"data is nested so deep that it can be read and not written": [
		{ file: "server/ingest/guard.ts", guard: "if (levels === 0) return", without: "if (levels === -1e9) return" },
		{ file: "server/ingest/check-event.ts", guard: "if (levels === 0) return", without: "if (levels === -1e9) return" },
	],
	"data is large, or has very many keys": [
		{ file: "shared/event.ts", guard: "dataBytes: 16_384", without: "dataBytes: 16_384_000" },
	],
	"a name, an id or an address is very long": [
		{ file: "shared/event.ts", guard: "nameLength: 120", without: "nameLength: 9_999" },
		{ file: "shared/event.ts", guard: "emailLength: 254", without: "emailLength: 9_999" },
		{ file: "shared/event.ts", guard: "idLength: 200", without: "idLength: 9_999" },
	],
	"a client sends its request slowly, or none": [
		{ file: "server/serve.ts", guard: "Timeout: 1", without: "Timeout: 1_00" },
	],
	"a thousand slow clients fill the memory": [
		{ file: "server/http/body-room.ts", guard: "const roomBytes = 67_108_864", without: "const roomBytes = 1e12" },
	],
	"the store grows without end": [
		{ file: "server/outbox/sqlite/room.ts", guard: "if (room <= 0)", without: "if (false)" },
	],

	// ---------------------------------------------------------------- what it may do
	"a visitor unsubscribes somebody or takes their place": [
		{
			file: "server/providers/vibetrace/vibetrace.ts",
			guard: "!privileged.has(name) || isSigned(stored, name)",
			without: "true",
		},
	],
	"a visitor sets fields of a profile that are not theirs": [
		{ file: "server/providers/crisp/profile.ts", guard: "if (personFields.has(attribute))", without: "if (true)" },
		{
			file: "server/providers/helpcrunch/fields.ts",
			guard: "if (customerFields.has(attribute))",
			without: "if (true)",
		},
	],
	"a visitor gives a provider's own id of somebody else": [
		{
			file: "server/ingest/check-event.ts",
			guard: "event.person = {};",
			without: "event.person = ids ? { ids } : {};",
		},
	],
	"a visitor says that an e-mail was opened": [
		{ file: "server/ingest/check-event.ts", guard: 'event.type === "email_open" && !isBackend', without: "false" },
	],
	"a visitor uses up the id of somebody else's event": [
		{ file: "server/ingest/claims.ts", guard: "id\\n$".concat("{person}"), without: "id\\n" },
		{ file: "server/outbox/claim-key.ts", guard: "+ bucketOf(site, person)", without: '+ "xx"' },
	],
	"a visitor claims somebody else's order": [
		{ file: "server/ingest/claims.ts", guard: "if (trusted) claims.push", without: "claims.push" },
	],
	"a visitor sets attributes that the site does not allow": [
		{ file: "server/ingest/check-event.ts", guard: "if (allowed && event.data)", without: "if (false)" },
	],
	"a flood of invented people uses up the day's requests": [
		{
			file: "server/delivery/start-delivery.ts",
			guard: "const reserveDefault = 0.2;",
			without: "const reserveDefault = 0;",
		},
	],
	"a flood of invented people becomes profiles": [
		{ file: "server/providers/existence.ts", guard: '(createPeople === "verified" && trusted)', without: "true" },
	],

	// ---------------------------------------------------------------- what goes in
	"a key reaches an object's prototype": [
		{ file: "server/ingest/guard.ts", guard: 'key === "__proto__" ||', without: "key.length < 0 &&" },
	],
	"a name or an id has control characters, or half a character": [
		{ file: "server/ingest/guard.ts", guard: "&& !unprintable.test(value)", without: "" },
		{ file: "shared/event.ts", guard: "!unprintable.test(text)", without: "true" },
	],
	"a number is too large to be one": [
		{ file: "server/ingest/guard.ts", guard: 'typeof value === "number" && !Number.isFinite(value)', without: "false" },
	],
	"data poisons its batch, the store or what is sent":
		"nothing to take out: an event is JSON by itself before it joins a commit, and kept as text",
	"a body says two things in one place":
		"nothing to take out: what is kept is parsed as it was when it was checked, so that both times it says the last",
	"a sender's keys change how another sender's keys are read": [
		// Nothing fails without it on a Node whose JSON.parse is right.
		{ file: "server/http/exact-json.ts", guard: "escapedKey.test(text)", without: "false" },
	],
	"a body is not in UTF-8": "nothing to take out: what is not UTF-8 is read as U+FFFD, or is no JSON",
	"an address, an id or a name leaves its place in a provider's request": [
		{ file: "server/providers/exchange.ts", guard: "path.map(encodeURIComponent)", without: "path" },
		{ file: "server/providers/exchange.ts", guard: "url.pathname !==", without: 'url.pathname === "" && "" !==' },
	],
	"a log line is forged": [
		{
			file: "server/observe/hiding.ts",
			guard: "return safe.replace(",
			without: 'return safe.replaceAll("\\\\n", "\\n").replace(',
		},
	],

	// ---------------------------------------------------------------- what comes back
	"a provider's answer has no end": [
		{ file: "server/providers/exchange.ts", guard: "const replyBytes = 65_536", without: "const replyBytes = 1e12" },
	],
	"a provider's small answer becomes a large one when it is unpacked": [
		{ file: "server/providers/exchange.ts", guard: "const replyBytes = 65_536", without: "const replyBytes = 1e12" },
	],
	"a provider answers slowly, or never": [
		{
			file: "server/providers/exchange.ts",
			guard: "const timeoutMs = 10_000",
			without: "const timeoutMs = 10_000_000",
		},
	],
	"a provider sends our key elsewhere by a redirect": [
		{ file: "server/providers/exchange.ts", guard: 'redirect: "manual"', without: 'redirect: "follow"' },
	],
	"a provider's answer is a page, or reaches an object's prototype": [
		{ file: "server/router.ts", guard: 'router.use(["/v1", "/admin"], asItSays);', without: "" },
	],
	"a provider is spoken to in the clear": [
		{ file: "server/providers/options.ts", guard: 'protocolOf(url) !== "http:" || isLoopback(url)', without: "true" },
	],

	// ---------------------------------------------------------------- what leaks
	"keys, tokens and e-mails are in a log or an answer": [
		{ file: "server/providers/exchange.ts", guard: "safely(text)", without: "text" },
	],
	"an error that nobody has handled is printed with all that hangs on it": [
		{ file: "server/serve.ts", guard: 'process.on("uncaughtException"', without: 'process.on("nothing"' },
	],

	// ---------------------------------------------------------------- pages
	"a page's strict policy forbids what the snippet does":
		"nothing to take out: the snippet has no eval, inline style or markup, and the test sees that each would be noticed",
	"the script is changed on its way to the page":
		"the browser's own check of the hash that `eventferry snippet` prints",
	"what visitors and providers say is markup in the console": [
		{ file: "server/console/serve-console.ts", guard: '"Content-Security-Policy": policy,', without: "" },
	],
};
