// Collects calls, in order, until the snippet has loaded.
window.eventferry = window.eventferry || [];

const find = (selector) => document.querySelector(selector);
const providers = { crisp: "Crisp", helpcrunch: "HelpCrunch", vibetrace: "Vibetrace" };
const maxRequests = 200;
let basket = [];

/** Makes a call and flushes at once, so that the event is seen to arrive; the snippet would send it seconds later. */
function tell(...call) {
	window.eventferry.push(call);
	showState();
	// flush() never rejects.
	void window.eventferry.flush?.().then(showState);
}

function showState() {
	const state = window.eventferry.state?.();
	if (!state) return;
	const { email, userId, held, waiting } = state;
	const who = email ?? userId;
	const parts = [who ? `Logged in as ${who}` : "Anonymous"];
	if (held > 0) parts.push(`${count(held)} held in this browser until you log in`);
	if (waiting > 0) parts.push(`${count(waiting)} waiting to be sent`);
	if (held === 0 && waiting === 0) parts.push("nothing held, nothing waiting");
	find("#state").textContent = `${parts.join(" · ")}.`;
	find("#state").classList.toggle("known", Boolean(who));
}

const count = (events) => (events === 1 ? "1 event" : `${events} events`);

for (const item of document.querySelectorAll("[data-product]")) {
	const { product: id, name, price } = item.dataset;
	const product = { id, name, price: Number(price) };
	item.querySelector("[data-view]").addEventListener("click", () => {
		item.querySelector(".about").hidden = false;
		tell("track", "product:viewed", { product: name, price: product.price });
	});
	item.querySelector("[data-add]").addEventListener("click", () => {
		const line = basket.find((one) => one.id === id);
		if (line) line.quantity += 1;
		else basket.push({ ...product, quantity: 1 });
		showBasket();
		tell("track", "basket:item:added", { product: name, price: product.price }, { color: "blue" });
	});
}

const total = () => basket.reduce((sum, { price, quantity }) => sum + price * quantity, 0);

function showBasket() {
	const lines = basket.map(({ name, quantity }) => `${quantity} × ${name}`).join(", ");
	find("#basket").textContent = basket.length > 0 ? `${lines}: €${total()}` : "empty";
	find("#buy").disabled = basket.length === 0;
}

find("#buy").addEventListener("click", () => {
	const orderId = `A-${Date.now().toString(36).toUpperCase()}`;
	const items = basket.map(({ id, quantity }) => ({ id, quantity }));
	const paid = total();
	basket = [];
	showBasket();
	find("#basket").textContent = `empty. Thank you for order ${orderId}!`;
	tell("confirmation", { orderId, total: paid, items });
});

find("#login-form").addEventListener("submit", (event) => {
	event.preventDefault();
	tell("login", { email: find("#email").value, attributes: { name: find("#name").value, favourite: "lighthouses" } });
});

find("#update-form").addEventListener("submit", (event) => {
	event.preventDefault();
	tell("update", { name: find("#name").value });
});

find("#logout").addEventListener("click", () => tell("reset"));

/** Creates an element with text. Uses textContent, because visitors' input must never become HTML. */
function element(tag, className, text) {
	const made = document.createElement(tag);
	made.className = className;
	made.textContent = text;
	return made;
}

/** Names the event in a request's body, wherever its provider wants it. */
const nameOf = (body) =>
	body?.text ??
	body?.event?.generic?.generic?.event_name ??
	Object.keys(body?.event ?? {})[0] ??
	(typeof body?.customer === "number" ? body.name : undefined);

function showRequest({ at, destination, method, path, query, headers, body, status }) {
	const row = element("li", `request ${destination}`, "");
	const line = element("p", "line", "");
	const ok = status >= 200 && status < 300;
	line.append(
		element("span", "provider", providers[destination]),
		element("span", ok ? "status ok" : "status", status ?? "no answer"),
		element("time", "", new Date(at).toLocaleTimeString("en-GB")),
	);
	// Ids of accounts say nothing to a reader, and break lines on a phone.
	const shown = decodeURIComponent(path).replace(/[\da-f-]{36}/, "…");
	row.append(line, element("p", "path", `${method} ${shown}${query ? `?${query}` : ""}`));
	const details = element("details", "", "");
	details.append(element("summary", "", nameOf(body) ?? "What was sent"));
	if (headers.authorization) details.append(element("p", "header", `authorization: ${headers.authorization}`));
	if (body !== undefined)
		details.append(element("pre", "", typeof body === "string" ? body : JSON.stringify(body, null, 2)));
	if (details.children.length > 1) row.append(details);
	const log = find("#log");
	log.prepend(row);
	if (log.children.length > maxRequests) log.lastElementChild.remove();
	find("#nothing").hidden = true;
}

const log = new EventSource("/sandbox/log");
// A new connection replays the last requests, so the list starts empty.
log.addEventListener("open", () => find("#log").replaceChildren());
log.addEventListener("message", ({ data }) => showRequest(JSON.parse(data)));

// The state changes without an event: when the snippet loads, in other tabs, and when deliveries end.
setInterval(showState, 500);
