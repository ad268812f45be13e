import { useEffect, useState } from "preact/hooks";
import type { SetAsidePageView, SetAsideView } from "../../../shared/admin.ts";
import { type BatchSelection, codeOf } from "./api.ts";
import { QuestionDialog } from "./question-dialog.tsx";
import { timeOf } from "./times.ts";
import type { View } from "./view.ts";
import { count, counted, errorWords } from "./words.ts";

interface Actions {
	isBusy: boolean;
	retry(which: BatchSelection): void;
	/** Asks for confirmation first. */
	discard(which: BatchSelection, what: string): void;
}

/** Buttons that retry or discard one batch or all of them. */
function Buttons({ isBusy, retry, discard, which, what }: Actions & { which: BatchSelection; what: string }) {
	const words = (verb: string) => ("ids" in which ? verb : `${verb} all`);
	const labelled = (verb: string) => ({
		disabled: isBusy,
		"aria-label": "ids" in which ? `${verb} ${what}` : `${verb} all batches`,
	});
	return (
		<div class="buttons">
			<button type="button" {...labelled("Retry")} onClick={() => retry(which)}>
				{words("Retry")}
			</button>
			<button type="button" {...labelled("Discard")} class="danger" onClick={() => discard(which, what)}>
				{words("Discard")}
			</button>
		</div>
	);
}

function Batch({ id, site, events, storedAt, reason, ...actions }: SetAsideView & Actions) {
	return (
		<li class="letter">
			<div class="about">
				<p class="title">
					<strong>Batch {id}</strong> <span class="quiet">{site !== undefined && <bdi>of {site}</bdi>}</span>
				</p>
				<p>
					Not sorted because: <bdi>{reason}</bdi>
					<span class="quiet">
						{" "}
						· {counted(events, "event")}
						{storedAt !== undefined && ` · accepted ${timeOf(storedAt)}`}
					</span>
				</p>
			</div>
			<Buttons {...actions} which={{ ids: [id] }} what={`batch ${id}`} />
		</li>
	);
}

/** Lists batches that were set aside, to be tried again or discarded. Shows nothing while there is none. */
export function SetAside({ api, stats, reload }: View) {
	const stuck = stats?.stuck ?? 0;
	const [page, setPage] = useState<SetAsidePageView>();
	const [asked, setAsked] = useState(0);
	const [message, setMessage] = useState("");
	const [isBusy, setBusy] = useState(false);
	const [question, setQuestion] = useState<{ which: BatchSelection; what: string }>();

	// `stuck` is listed because a changed number means changed batches.
	useEffect(() => {
		let isOver = false;
		if (stuck > 0) {
			api.setAside().then(
				(loaded) => isOver || setPage(loaded),
				(error) => isOver || setMessage(`Not loaded. ${errorWords(codeOf(error))}`),
			);
		}
		return () => {
			isOver = true;
		};
	}, [api, stuck, asked]);

	async function change(kind: "retry" | "discard", which: BatchSelection): Promise<void> {
		setBusy(true);
		setMessage("Working…");
		const words = await api.changeSetAside(kind, which).then(
			(done) => `${counted(done, "batch", "batches")} ${kind === "retry" ? "will be tried again" : "discarded"}.`,
			(error) => `${errorWords(codeOf(error))} Try again.`,
		);
		setMessage(words);
		setBusy(false);
		setAsked((times) => times + 1);
		reload();
	}

	async function more(): Promise<void> {
		if (page?.cursor === undefined) return;
		await api.setAside(page.cursor).then(
			(next) => setPage({ items: [...page.items, ...next.items], cursor: next.cursor }),
			(error) => setMessage(`Not loaded. ${errorWords(codeOf(error))}`),
		);
	}

	const actions: Actions = {
		isBusy,
		retry: (which) => void change("retry", which),
		discard: (which, what) => setQuestion({ which, what }),
	};
	if (stuck === 0 && message === "") return null;

	return (
		<section aria-labelledby="set-aside-title">
			<div class="heading">
				<h2 id="set-aside-title">Set aside {stuck > 0 && <span class="count">{count(stuck)}</span>}</h2>
				<p class="quiet" role="status">
					{message}
				</p>
			</div>
			{stuck > 0 && (
				<div class="card">
					<p class="quiet">
						These batches of events were accepted, but could not be sorted into people’s queues. <em>Retry</em> tries
						again, as does each start of the proxy. <em>Discard</em> deletes a batch with its events.
					</p>
					<div class="tools">
						<Buttons {...actions} which={{ all: true }} what="all batches that are set aside" />
					</div>
					<ul class="letters">
						{page?.items.map((batch) => (
							<Batch key={batch.id} {...batch} {...actions} />
						))}
					</ul>
					{page?.cursor !== undefined && (
						<button type="button" onClick={more}>
							Show more
						</button>
					)}
				</div>
			)}
			{question && (
				<QuestionDialog
					text={`Discard ${question.what}? The events are deleted for good and cannot be brought back.`}
					no="Keep"
					yes="Discard"
					isDanger
					onYes={() => void change("discard", question.which)}
					onClose={() => setQuestion(undefined)}
				/>
			)}
		</section>
	);
}
