/** Providers with their names for people, and the troubles that a switch sets, in order. */
const providers = { crisp: "Crisp", helpcrunch: "HelpCrunch", vibetrace: "Vibetrace" };
const troubles = {
	none: "Works",
	outage: "Outage (503)",
	limit: "Limit (429)",
	refused: "Key refused (401)",
	slow: "Slow (4 s)",
};

const place = document.querySelector("#switches");

function element(tag, text, properties = {}) {
	return Object.assign(document.createElement(tag), { textContent: text, ...properties });
}

/** Builds the switches of a provider, below them a line that tells what happens to its events. */
function build(name, title) {
	const group = element("fieldset", "");
	const choices = element("div", "", { className: "choices" });
	for (const [trouble, words] of Object.entries(troubles)) {
		const label = element("label", "");
		const input = element("input", "", { type: "radio", name: `trouble-${name}`, value: trouble });
		input.addEventListener("change", () => void change(name, trouble));
		label.append(input, element("span", words));
		choices.append(label);
	}
	const fate = element("p", "", { className: "fate", id: `fate-${name}` });
	fate.setAttribute("role", "status");
	const again = element("button", "Try again now", {
		type: "button",
		className: "again",
		hidden: true,
		id: `again-${name}`,
	});
	again.addEventListener("click", () => void fetch(`/admin/destinations/${name}/resume`, { method: "POST" }));
	group.append(element("legend", title), choices, fate, again);
	place.append(group);
}

/** Checks the switches that are on. */
function show(on) {
	for (const [name, trouble] of Object.entries(on)) {
		const input = place.querySelector(`[name=trouble-${name}][value=${trouble}]`);
		if (input) input.checked = true;
	}
}

async function change(destination, trouble) {
	const headers = { "Content-Type": "application/json" };
	const body = JSON.stringify({ destination, trouble });
	show(await (await fetch("/sandbox/switches", { method: "POST", headers, body })).json());
}

const events = (count) => (count === 1 ? "1 event" : `${count} events`);
const clock = (at) => new Date(at).toLocaleTimeString("en-GB");

/** Tells in a sentence what happens to a destination's events. */
function fateOf({ state, until, reason, pausedAt, waiting, wait, delivered, dead }) {
	const parts = [`${events(delivered)} delivered so far`];
	if (dead > 0) parts.push(`${dead} given up`);
	if (waiting > 0) parts.push(waiting === 1 ? "1 event waits" : `${waiting} events wait`);
	const why =
		pausedAt !== undefined
			? "An operator has paused it"
			: state === "paused"
				? `Paused because of ${reason}, tried again at ${clock(until)}`
				: state === "waiting"
					? `Asked to wait until ${clock(until)}`
					: waiting > 0 && wait?.for === "retry"
						? `Failed, next try at ${clock(wait.nextAt)}`
						: "Requests go out";
	return `${why}. ${parts.join(" · ")}.`;
}

/** Shows the fate of the events. Only this machine may ask for it: others see the switches alone. */
async function refresh() {
	const response = await fetch("/admin/stats").catch(() => undefined);
	if (!response?.ok) return;
	const { destinations } = await response.json();
	for (const [name, numbers] of Object.entries(destinations)) {
		const fate = document.querySelector(`#fate-${name}`);
		if (!fate) continue;
		const text = fateOf(numbers);
		if (fate.textContent !== text) fate.textContent = text;
		document.querySelector(`#again-${name}`).hidden = numbers.state !== "paused";
	}
}

for (const [name, title] of Object.entries(providers)) build(name, title);
show(await (await fetch("/sandbox/switches")).json());
await refresh();
setInterval(refresh, 1_000);
