import { createHmac } from "node:crypto";
import { type LookupAddress, lookup } from "node:dns";
import type * as http from "node:http";
import type { LookupFunction } from "node:net";
import type { Event } from "../../shared/event.ts";
import { answerBytes } from "../providers/node-dispatch.ts";
import type { Connector } from "../providers/provider.ts";
import { version } from "../version.ts";
import { isPublicHost, mayConnect } from "./address-range.ts";
import type { AddressDestination, Answer } from "./destination.ts";
import { connectFunction } from "./function.ts";
import type { OnOwnFault } from "./loop-watch.ts";

/** An address that may not be connected to. */
class PrivateAddressError extends Error {
	override readonly name = "PrivateAddressError";
}

/** Makes a lookup that finds only addresses to which requests for the URL may be sent. */
function publicLookup(url: string): LookupFunction {
	return (hostname, options, callback) =>
		lookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[] = []) => {
			// Guard (SECURITY.md): own-private-addresses
			const [first, ...more] = addresses.filter(({ address }) => mayConnect(url, address));
			if (error || !first) return callback(error ?? new PrivateAddressError("the name has private addresses only"), []);
			if (options.all) callback(null, [first, ...more]);
			else callback(null, first.address, first.family);
		});
}

/** Signs a body: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
function sign(secret: string, id: string, timestamp: number, body: string): string {
	const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
	// Guard (SECURITY.md): own-signature
	return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`;
}

/** Reads an answer's body up to 64 KB, so that its connection can be used again; of a longer one it lets go. */
async function readText(response: http.IncomingMessage): Promise<string> {
	const chunks: Buffer[] = [];
	let bytes = 0;
	for await (const chunk of response) {
		bytes += chunk.length;
		if (bytes > answerBytes) break;
		chunks.push(chunk);
	}
	return Buffer.concat(chunks).toString();
}

/** Headers of an answer whose meaning is known. */
function headersOf({ headers }: http.IncomingMessage): Record<string, string> {
	const after = headers["retry-after"];
	return after === undefined ? {} : { "retry-after": after };
}

/** Connects to an address that gets each event as a POST, signed if there is a secret. Follows no redirect. */
export function connectAddress(name: string, own: AddressDestination, onFault: OnOwnFault): Connector {
	const { url, secret, allowPrivate = false, budget } = own;
	// Loaded for the destinations that need it: TLS takes a tenth of the time in which a proxy starts.
	const { Agent, request } = process.getBuiltinModule(new URL(url).protocol === "https:" ? "node:https" : "node:http");
	const agent = new Agent({ keepAlive: true });
	const guard = allowPrivate ? {} : { lookup: publicLookup(url) };

	function post(headers: Record<string, string | number>, body: string, signal: AbortSignal) {
		return new Promise<http.IncomingMessage>((resolve, reject) => {
			request(url, { method: "POST", agent, headers, signal, ...guard }, resolve)
				// Once there is an answer, its body tells of errors.
				.on("error", reject)
				.end(body);
		});
	}

	async function send(event: Event, signal: AbortSignal): Promise<Answer> {
		// No lookup is made for an address that is a number.
		if (!allowPrivate && !isPublicHost(url)) return { kind: "retry", reason: "private_address" };
		const body = JSON.stringify(event);
		const timestamp = Math.floor(Date.now() / 1_000);
		const headers = {
			"content-type": "application/json",
			"content-length": Buffer.byteLength(body),
			"user-agent": `eventferry/${version}`,
			"webhook-id": event.id,
			"webhook-timestamp": timestamp,
			...(secret !== undefined && { "webhook-signature": sign(secret, event.id, timestamp, body) }),
		};
		try {
			const response = await post(headers, body, signal);
			const { statusCode: status = 502 } = response;
			// The status is the answer, also where the body breaks off.
			const text = await readText(response).catch(() => "");
			return status < 200 || status > 599
				? { kind: "retry", reason: `http_${status}` }
				: new Response([204, 205, 304].includes(status) ? null : text, { status, headers: headersOf(response) });
		} catch (error) {
			const isPrivate = error instanceof PrivateAddressError;
			return { kind: "retry", reason: isPrivate ? "private_address" : signal.aborted ? "timeout" : "network" };
		}
	}

	return connectFunction(name, { budget, send: (event, { signal }) => send(event, signal) }, onFault, {
		isAddress: true,
	});
}
