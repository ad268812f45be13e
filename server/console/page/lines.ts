/** Yields the JSON lines of an answer as they arrive. */
export async function* linesOf(response: Response): AsyncGenerator<unknown> {
	const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
	let text = "";
	for (;;) {
		const part = await reader?.read();
		if (!part || part.done) return;
		const lines = (text + part.value).split("\n");
		text = lines.pop() ?? "";
		for (const line of lines) if (line !== "") yield JSON.parse(line);
	}
}
