import { always, gone, larger, never, type Removal, replaced, value } from "./removal.ts";

/** Accepts a token with any signature, or none. */
const unverified = replaced(
	/await \w+\(\s*(\w+).*\)/s,
	'{ payload: Buffer.from($1.split(".")[1] ?? "", "base64url") }',
);

/**
 * Guards against each threat of SECURITY.md. The comment `// Guard (SECURITY.md): id` in the source marks the code of a
 * guard, and its removal here says how to take it out. `npm run hostile:unguarded` takes out the guards of one threat at
 * a time, and expects the threat's test to fail. A text is the reason why a threat has no guard that can be taken out.
 */
export const guards: Record<string, Record<string, Removal> | string> = {
	// Identity
	"a token is signed with a secret that is not ours": { "token-signature": unverified },
	"a token says that it needs no signature": { "token-signature": unverified },
	"a token is signed by another algorithm": {
		"token-signature": replaced(/\{\s*algorithms:[^}]*\}/, "{}"),
		"token-key": replaced(/^.*?(Buffer\.from\([^)]*\)).*$/s, "$1"),
	},
	"a token was signed for something else, as an e-mail's pixel is": { "token-purpose": always },
	"a token's claims are changed": { "token-signature": unverified },
	"a visitor with a token of their own names somebody else": { "identity-of-token": never },
	"a page adds names that its token lacks": { "names-of-token": replaced(/\w+\s*\?\?/, "") },
	"a visitor without a token names anybody": { "verified-identity": value("undefined") },
	"a token is used after its end": { "token-expiry": never },
	"a token has no end": { "token-has-expiry": replaced(/exp:\s*z\s*\.number\(\)/, "$&.default(1e12)") },
	"a page sets what only a token may": { "privileged-attributes": always },
	"a token is kept where others can read it": { "person-fields": replaced(/^(.*) = \{\}/, "$1 = { token: $1.token }") },

	// Senders
	"a page of another origin sends events": { "origin-of-site": never },
	"a sandboxed frame of another site sends events": { "origin-of-site": never },
	"an origin only looks like a subdomain of ours": { "subdomain-labels": value("/.*/") },
	"a page of another origin reads what the proxy answers": { "readable-origins": always, "readable-problems": always },
	"a write key is made up": { "write-key": replaced(/\.find\(.*\)/s, "[0]") },
	"a visitor sends as the backend": { "server-key": replaced(/&&\s*sameSecret[^)]*\)/, "") },
	"a visitor sends as the backend by Segment's API": { "segment-keys": replaced(/&&[^)]*\)[^)]*\)/, "") },
	"a visitor reads a secret in the page, where it is also the write key": { "public-secret": never },
	"an operator's route is asked by somebody else": { "admin-token": always },
	"a path is spelled so that a reverse proxy's rule for it does not match": {
		"strict-paths": replaced(/\{.*\}/s, "{}"),
	},
	"a call that discards some dead letters loses its body": { "empty-selection": replaced(/>\s*0/, ">= 0") },
	"a page of one site sends to another": { "origin-of-site": never },
	"a web page reaches the sandbox by a name that it has made to point there": {
		"sandbox-host": always,
		"sandbox-page-host": gone,
	},
	"a web page of another origin asks the sandbox": { "sandbox-origin": always },
	"a web server in front opens the sandbox to everybody": { "sandbox-not-forwarded": always },
	"a provider's web hook is made up": { "hook-signature": always, "hook-key": always },
	"an opened e-mail is made up": { "token-signature": unverified },
	"a secret is guessed by how long its comparison takes":
		"times are not measured; a test reads that every comparison is of SHA-256 digests by timingSafeEqual",

	// Amounts
	"an address sends without end": { "request-limit": never },
	"a sender makes up other addresses for itself": { "trusted-proxies": value("() => true") },
	"the admin token is guessed": { "guess-limit": value("false") },
	"the server key is guessed": { "guess-limit": value("false") },
	"wrong guesses lock out the owner of a secret": {
		"guess-purpose": replaced(/\(\)\s*=>\s*([^;]*)/, "((one) => () => one)($1)"),
		"guess-long": never,
	},
	"a web hook is made to cost work, or to make its check fail": {
		"hook-head": never,
		"hook-depth": value("false"),
		"hook-raw": value("false"),
	},
	"a sender uses the many addresses of its network": { "ipv6-network": value("128") },
	"a write key is used without end, where its site limits that": { "write-key-limit": gone },
	"opened e-mails come without end": { "open-limit": always },
	"a body is too large": { "body-size": never, "announced-body-size": never, "text-body-size": never },
	"a small body becomes a large one when it is unpacked": {
		"unpacked-size": replaced(/maxOutputLength:[^},]*/, "maxOutputLength: 2 ** 30"),
		"text-body-size": never,
	},
	"a batch has too many events": { "batch-size": replaced(/\.max\(.*\)/s, "") },
	"a batch of Segment's API has too many calls, or is too large": {
		"segment-calls": larger,
		"segment-body-size": larger,
	},
	"a large batch of Segment's API costs less than many": { "segment-batch-cost": gone },
	"data is nested so deep that it can be read and not written": { "data-depth": never, "data-depth-fast": never },
	"data is large, or has very many keys": { "event-limits": larger },
	"a name, an id or an address is very long": { "event-limits": larger },
	"a client sends its request slowly, or none": { "client-timeouts": larger },
	"a thousand slow clients fill the memory": { "body-room": value("1e12"), "body-share": value("1e12") },
	"bodies are announced and never sent": "by design, bytes take room once they have come, not once they are announced",
	"one address takes the room for bodies": { "body-share": value("1e12") },
	"many addresses take the room for bodies": { "body-fullest": never },
	"a body comes in a million pieces": { "body-pieces": never },
	"a compressed body is sent slowly": "by design, a body is decompressed once all of it has come",
	"a body never ends": { "endless-body": larger },
	"requests are sent and their answers are never read": {
		"answers-in-turn": always,
		"pipelined-requests": larger,
	},
	"an answer is never read to its end": { "unread-answer": larger },
	"connections are opened and left idle": { "connections-most": larger },
	"the store grows without end": { "store-size": never },
	"one visitor fills the store": { "store-reserve": value("1") },
	"dead letters of one visitor keep the store full": { "store-gives-way": always },
	"what is remembered of one visitor's events keeps the store full": { "memory-gives-way": value("0") },
	"an address sends very much": { "byte-limit": gone },
	"what is remembered of a person has no end": { "remembered-attributes": larger },

	// Privileges
	"a visitor unsubscribes somebody or takes their place": { "privileged-attributes": always },
	"a visitor writes a database's operators deep in an event's data": { "nested-operators": never },
	"a visitor sets fields of a profile that are not theirs": { "crisp-fields": always, "helpcrunch-fields": always },
	"a visitor gives a provider's own id of somebody else": {
		"person-fields": replaced(/^(.*) = \{\}/, "$1 = { ids: $1.ids }"),
	},
	"a visitor is sent what a backend said of somebody else's userId": {
		"user-ids-of-backend": always,
	},
	"a visitor says that an e-mail was opened": { "email-open-sender": never },
	"a visitor uses up the id of somebody else's event": {
		"event-id-of-person": replaced(/\$\{\w+\}/, ""),
		"claim-of-person": replaced(/\+\s+\w+\(.*\)/s, '+ "xx"'),
	},
	"a visitor claims somebody else's order": { "order-id-of-site": always },
	"a visitor tells of a purchase before the backend does": { "order-of-backend": never },
	"a visitor sets attributes that the site does not allow": { "allowed-attributes": never },
	"a visitor gives themselves a label that starts an automation": { "page-labels": never },
	"a flood of invented people uses up the day's requests": { "budget-reserve": never },
	"forged events keep a person's purchase from the reserve": { "lane-of-trust": value("[0, 0]") },
	"forged events hold up a person's purchase": { "lane-of-trust": value("[0, 0]") },
	"forged events of one person wait without end": { "untrusted-waiting": larger },
	"a verified visitor spends the reserve, or keeps their purchase from it": { "reserve-of-backend": value("true") },
	"a flood of invented people becomes profiles": { "profile-creation": always },

	// Input
	"a key reaches an object's prototype": { "forbidden-keys": never },
	"a name or an id has control characters, or half a character": {
		"printable-text": value("/(?!)/"),
		"printable-text-fast": value("/(?!)/"),
	},
	"an address becomes another person's when it is folded": {
		"ascii-folding": replaced(/\[A-Z\]/, "[A-Z\\u212a]"),
		"ascii-addresses": never,
	},
	"an e-mail or an id differs from another one by characters that nobody sees": { "invisible-text": value("/(?!)/") },
	"a number is too large to be one": { "finite-numbers": never },
	"data poisons its batch, the store or what is sent":
		"by design, every event is JSON by itself before it joins a commit, and is stored as text",
	"a body says two things in one place": "by design, a body is parsed once, and what was checked is stored",
	// On a Node with a correct JSON.parse, from 24.22 or 26.12 on, the test passes without the guard.
	"a sender's keys change how another sender's keys are read": { "escaped-keys": never },
	"a body is not in UTF-8": "by design, bytes that are not UTF-8 are read as U+FFFD",
	"an address, an id or a name leaves its place in a provider's request": {
		"path-encoding": replaced(/\.map\([^)]*\)/, ""),
		"path-segment": always,
		"path-segments": never,
	},
	"an address climbs where a gateway decodes a path once more": { "path-segment": always },
	"a log line is forged": { "log-lines": replaced(/^return (\w+)/, 'return $1.replaceAll("\\\\n", "\\n")') },

	// Answers
	"an event that a provider refuses stops everybody's": { "refusal-of-event": never, "failure-of-event": never },
	"requests for some people are never answered": { "slow-slots": larger },
	"a limit is answered for some people's events alone": { "limit-of-event": value("false") },
	"a few people who are not created keep all new people from being created": { "creation-suspects": never },
	"a right is missing that the provider's probe does not need": { "refusal-of-account": value("false") },
	"a provider refuses to create one kind of people, or all": { "creation-hold": never },
	"a provider's answer has no end": { "answer-size": value("1e12") },
	"one long text blocks the process": {
		"clipped-texts": larger,
		"linear-patterns": replaced(/\(\?<![^)]*\)[^)]*\)/, ""),
	},
	"a provider's small answer becomes a large one when it is unpacked": { "answer-size": value("1e12") },
	"a provider answers slowly, or never": { "answer-timeout": larger },
	"a provider sends our key elsewhere by a redirect":
		"requests go through undici's dispatcher, which has no code that follows redirects",
	"a provider's answer is a page, or reaches an object's prototype": { "no-sniffing": gone },
	"an answer moves the cursor of the operator's terminal": { "terminal-text": value("/(?!)/gu") },
	"a provider is spoken to in the clear": { https: always },

	// Destinations of one's own
	"an address of one's own leads into a private network, by its number or by DNS": {
		"own-private-addresses": replaced(/\.filter\(.*\)/s, ""),
		"own-private-literals": never,
	},
	"an address of one's own leads elsewhere by a redirect": {
		"own-redirects": replaced(/redirect:\s+"manual",\s+/, ""),
	},
	"an address of one's own is spoken to in the clear": { "own-https": always },
	"somebody else posts what seems to be ours to an address": { "own-signature": replaced(/\.update\([^)]*\)/, "") },
	"a destination's function never ends, or its answer has no end": { "own-timeout": larger, "answer-size": larger },
	"a destination's function changes the event that others get":
		"each attempt parses the event anew, so that no copy need be taken out to keep the others' events whole",
	"what a function throws has keys or addresses in it": { "own-errors": value("/(?!)/g") },

	// Leaks
	"keys, tokens and e-mails are in a log or an answer": { "masked-credentials": value("(text) => text") },
	"another user of the machine reads the store": { "store-created": gone, "store-mode": gone },
	"an error that nobody has handled is printed with all that hangs on it": { "unhandled-errors": gone },

	// Pages
	"a page's strict policy forbids what the snippet does":
		"by design, the snippet has no eval, inline style or markup; the test checks that it would notice each of them",
	"markup without script, as of a guest book, takes names of the page and sends events elsewhere":
		"the snippet is built beforehand; test/browser/markup.test.ts tries each name in each kind of markup",
	"the script is changed on its way to the page": "the browser checks the hash that `eventferry snippet` prints",
	"what visitors and providers say is markup in the console": { "console-policy": value('""') },
};
