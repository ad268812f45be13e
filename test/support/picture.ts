import { type PlotOptions, plot } from "@observablehq/plot";
import { Window } from "happy-dom";

const namespace = "http://www.w3.org/2000/svg";
const gap = 16;

/** Colours of a picture: its background and its text. */
export interface Theme {
	ground: string;
	ink: string;
}
export const light: Theme = { ground: "white", ink: "#1f2328" };

/** Rounds the numbers of a picture to hundredths, below what anybody sees: a third of its bytes. */
const rounded = (svg: string) =>
	svg.replaceAll(/\d+\.\d{3,}/g, (number) => String(Math.round(Number(number) * 100) / 100));

/** Draws plots one below the other, as one SVG file with a background. */
export function pictureOf(plots: PlotOptions[], width: number, { ground, ink }: Theme = light): string {
	const { document } = new Window();
	let height = 0;
	const drawn = plots.map((options) => {
		const svg = plot({ ...options, width, document: document as unknown as Document, figure: false });
		svg.setAttribute("y", String(height));
		height += Number(svg.getAttribute("height")) + gap;
		return svg.outerHTML;
	});
	const frame = `<svg xmlns="${namespace}" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" color="${ink}">`;
	return `${frame}<rect width="100%" height="100%" fill="${ground}"/>${rounded(drawn.join("\n"))}</svg>\n`;
}
