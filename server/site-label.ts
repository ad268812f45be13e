/** What a site is called where its write key has no place: its first origin's host, made distinct where two share one. */
export function siteLabels(sites: readonly { origins: readonly string[] }[]): string[] {
	const labels: string[] = [];
	for (const { origins } of sites) {
		const host = origins[0]?.replace(/^\w+:\/\//, "") ?? "site";
		const alike = labels.filter((label) => label === host || label.startsWith(`${host} `)).length;
		labels.push(alike === 0 ? host : `${host} ${alike + 1}`);
	}
	return labels;
}
