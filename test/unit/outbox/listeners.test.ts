import { expect, it } from "vitest";
import { createListeners } from "../../../server/outbox/listeners.ts";

it("tell() calls every listener until it is stopped, and returns whether there is one", () => {
	const listeners = createListeners<number>();
	const heard: string[] = [];
	expect(listeners.tell(0)).toBe(false);
	const stop = listeners.add((news) => heard.push(`first ${news}`));
	listeners.add((news) => heard.push(`second ${news}`));
	expect(listeners.tell(1)).toBe(true);
	stop();
	listeners.tell(2);
	expect(heard).toEqual(["first 1", "second 1", "second 2"]);
});

it("tell() calls all listeners even if one throws, and throws the error afterwards", () => {
	const listeners = createListeners<string>();
	const heard: string[] = [];
	const error = new Error("no");
	listeners.add(() => {
		throw error;
	});
	listeners.add((news) => heard.push(news));
	expect(() => listeners.tell("news")).toThrow(error);
	expect(heard).toEqual(["news"]);
	listeners.add(() => {
		throw new Error("no either");
	});
	expect(() => listeners.tell("more")).toThrow(AggregateError);
	expect(heard).toEqual(["news", "more"]);
});
