/** Rewrites /ferry to the proxy, which runs beside Next, so that pages reach it on their own origin. */
export default {
	async rewrites() {
		return [{ source: "/ferry/:path*", destination: "http://127.0.0.1:8788/:path*" }];
	},
};
