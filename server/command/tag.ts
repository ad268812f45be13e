import { hash } from "node:crypto";

/** Script that collects calls, each with its time, until the snippet has loaded. */
const stub =
	"<script>window.eventferry=window.eventferry||Object.assign([],{push(...c){for(const x of c){x.when=Date.now();this[this.length]=x}}})</script>";

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

/** A script as pages load it: its address, and the hash of its contents. */
export interface Script {
	src: string;
	integrity: string;
}

/** Makes the hash that a browser compares a script with: https://www.w3.org/TR/SRI/ */
export const integrityOf = (script: Buffer): string => `sha384-${hash("sha384", script, "base64")}`;

/** Makes a tag that loads a script, with one more attribute. */
export const tagOf = ({ src, integrity }: Script, [name, value]: [name: string, value: string]): string =>
	`<script async src="${escaped(src)}" integrity="${integrity}" crossorigin="anonymous" ${name}="${escaped(value)}"></script>`;

/** Makes the tags that load the snippet for a site. */
export const snippetTags = (script: Script, writeKey: string): string =>
	`${stub}\n${tagOf(script, ["data-write-key", writeKey])}`;
