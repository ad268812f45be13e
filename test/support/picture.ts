import { type PlotOptions, plot } from "@observablehq/plot";
import { Window } from "happy-dom";

const namespace = "http://www.w3.org/2000/svg";
const gap = 16;

/** Draws plots one below the other, as one SVG file with a white ground. */
export function pictureOf(plots: PlotOptions[], width: number): string {
	const { document } = new Window();
	let height = 0;
	const drawn = plots.map((options) => {
		const svg = plot({ ...options, width, document: document as unknown as Document, figure: false });
		svg.setAttribute("y", String(height));
		height += Number(svg.getAttribute("height")) + gap;
		return svg.outerHTML;
	});
	const frame = `<svg xmlns="${namespace}" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" color="#1f2328">`;
	return `${frame}<rect width="100%" height="100%" fill="white"/>${drawn.join("\n")}</svg>\n`;
}
