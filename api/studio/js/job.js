/** The page of one job: watch it, mend it, play it. It may be left, reloaded and shared at any time. */

import * as api from "./api.js";
import { Dialog, html, Live, Problem, show, useEffect, useLayoutEffect, useState } from "./dom.js";
import { keep, kept, save } from "./draft.js";
import { Download, Downloads, Screen } from "./film.js";
import { useJob } from "./following.js";
import { SceneDialog, SceneView } from "./scene-view.js";
import { counted, day, money } from "./text.js";
import { cutBy, ended, headline, missing, nextStep, spent, timing } from "./words.js";

/** @typedef {import("./api.js").Job} Job */

const LINKS = { live: "Live", polling: "Looking every 2 s", hidden: "Resting while hidden", offline: "Offline, trying again", ended: "" };

/** @param {{job: Job, now: number, heard: number, link: keyof LINKS}} props */
function Progress({ job, now, heard, link }) {
  return html`<div class="progress">
    <p class="step"><strong>${headline(job)}</strong> <span class=${job.waitingFor ? "waits" : ""}>${timing(job, now, heard)}</span></p>
    <progress max="100" value=${job.progress} aria-label="Progress of the film"></progress>
    <p class="facts"><span>${job.progress} %</span><span>${spent(job)}</span>
      <span class=${`link ${link}`}>${LINKS[link]}</span></p>
  </div>`;
}

/** @param {{job: Job, busy: boolean, onCancel: () => void, onRetry: () => void}} props */
function Actions({ job, busy, onCancel, onRetry }) {
  const lacking = missing(job);
  if (!ended(job)) {
    return html`<button type="button" class="act" disabled=${busy || job.status === "cancelling"} onClick=${onCancel}>
      ${job.status === "cancelling" ? "Cancelling…" : "Cancel"}</button>`;
  }
  if (job.status === "completed" && !lacking.scenes) return html`<${Download} job=${job} />`;
  const many = lacking.scenes > 1 ? `Try all ${lacking.scenes} missing scenes again` : "Try the missing scene again";
  return html`<button type="button" class="primary act" disabled=${busy} onClick=${onRetry}>
    ${lacking.scenes ? `${many} for ${money(lacking.usd)}` : "Try again"}</button>`;
}

/** @param {{job: Job, busy: boolean, onClose: () => void, onCancel: () => void}} props */
function CancelDialog({ job, busy, onClose, onCancel }) {
  const net = job.cost.spentUsd - job.cost.refundedUsd;
  const begun = job.counts.generating;
  return html`<${Dialog} label="Cancel this film?" onClose=${onClose}>
    <p>${net ? `${money(net)} is already spent` : "Nothing is spent yet"}${begun
      ? `, with ${counted(begun, "scene")} at work at Luma that will not be refunded` : ""}.
      No further scene is begun. Finished scenes are kept, and you can finish the film later.</p>
    <div class="acts">
      <button type="button" class="danger" disabled=${busy} onClick=${onCancel}>Cancel the film</button>
      <button type="button" autofocus onClick=${onClose}>Keep going</button>
    </div>
  <//>`;
}

/** @param {{job: Job}} props Script, storyboard and cost, for those who ask. */
function About({ job }) {
  const [script, setScript] = useState("");
  const board = job.results?.storyboard;
  const read = () => script || api.readScript(job.jobId).then(setScript, (error) => setScript(error.message));
  const reuse = async () => {
    const text = await api.readScript(job.jobId);
    if (save({ title: job.title, script: text, options: job.options, cards: [], edited: false })) location.assign("/");
  };
  return html`<section class="about" aria-labelledby="about-title">
    <h2 id="about-title">About this film</h2>
    <dl>
      <dt>Cost</dt><dd>${spent(job)}</dd>
      <dt>Made with</dt><dd>${job.options.model}, ${job.options.style}, ${job.options.aspectRatio}, ${job.options.resolution}, AI-generated</dd>
      <dt>Begun</dt><dd>${day(job.createdAt)}</dd>
      ${job.integrityConfirmed && html`<dt>Confirmed</dt><dd>The story reflects the writer’s own ideas</dd>`}
      ${job.flowRunUrl && html`<dt>Operators</dt><dd><a href=${job.flowRunUrl} rel="noreferrer">Flow run in Prefect</a></dd>`}
    </dl>
    <details onToggle=${(/** @type {any} */ event) => event.target.open && read()}>
      <summary>Script</summary>
      <p class="script" dir="auto">${script || "Loading…"}</p>
      <button type="button" onClick=${reuse}>Write from this script</button>
    </details>
    ${board && html`<details><summary>Storyboard</summary>
      <p>${cutBy(board.strategy)}${board.setting ? `. Setting: ${board.setting}` : ""}</p>
      <ol class="planned">${board.scenes.map((scene) => html`<li><p dir="auto">${scene.description}</p><p class="note" dir="auto">${scene.prompt}</p></li>`)}</ol>
    </details>`}
  </section>`;
}

/** New prompts of failed scenes that wait for their next try; they survive a reload.
 * @param {string} id */
function useEdits(id) {
  const [edits, setEdits] = useState(() => /** @type {Record<number, string>} */ (kept(`storyreel.edits.${id}`) ?? {}));
  useLayoutEffect(() => keep(`storyreel.edits.${id}`, edits), [edits]); // no later than the page can be left
  return /** @type {const} */ ([edits, setEdits]);
}

/** @param {{id: string}} props */
function JobPage({ id }) {
  const { job, link, problem: gone, now, heard, fresh, news, look } = useJob(id);
  const [open, setOpen] = useState(/** @type {number|null} */ (null));
  const [cancelling, setCancelling] = useState(false);
  const [edits, setEdits] = useEdits(id);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    if (job) document.title = `${ended(job) ? "" : `${job.progress} % `}${job.title} · Storyreel`;
  }, [job?.title, job?.progress, job?.status]);
  if (gone) return html`<div class="lost"><h1>There is no film here</h1>
    <p>The address may be mistyped, or the film was made in another studio.</p><p><a href="/library">Go to the library</a></p></div>`;
  if (!job) return html`<p class="blank" role="status">${link === "offline" ? "The studio can’t be reached. Trying again…" : "Loading the film…"}</p>`;

  const act = async (/** @type {() => Promise<unknown>} */ ask, clear = /** @type {number[]|null} */ (null)) => {
    setBusy(true);
    setProblem("");
    try {
      await ask();
      setOpen(null);
      setCancelling(false);
      if (clear) setEdits((before) => Object.fromEntries(Object.entries(before).filter(([number]) => !clear.includes(Number(number)))));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
    await look();
    setBusy(false);
  };
  const scenes = job.results?.scenes ?? [];
  const scene = scenes.find(({ sceneNumber }) => sceneNumber === open);
  const price = job.results?.storyboard?.scenes.find(({ sceneNumber }) => sceneNumber === open)?.costUsd ?? 0;
  const lacking = scenes.filter(({ status }) => status !== "completed");
  return html`<article class="job">
    <header>
      <h1 dir="auto">${job.title}</h1>
      <div class="status">
        <${Progress} job=${job} now=${now} heard=${heard} link=${link} />
        <${Actions} job=${job} busy=${busy} onCancel=${() => setCancelling(true)}
          onRetry=${() => act(() => api.retry(id, edits), lacking.map(({ sceneNumber }) => sceneNumber))} />
      </div>
    </header>
    ${job.status === "failed" && html`<div class="problem" role="alert"><p>${job.error}</p><p>${nextStep(job)}</p></div>`}
    ${problem && open === null && html`<${Problem} text=${problem} />`}
    <${Screen} job=${job} />
    <section class="scenes" aria-labelledby="scenes-title">
      <h2 id="scenes-title">Scenes</h2>
      ${scenes.length
        ? html`<ol role="list">${scenes.map((one) => html`<${SceneView} key=${one.sceneNumber} scene=${one} job=${job} now=${now}
            fresh=${fresh.has(one.sceneNumber)} edited=${one.sceneNumber in edits} onOpen=${() => (setProblem(""), setOpen(one.sceneNumber))} />`)}</ol>`
        : html`<p class="blank">${ended(job) ? "No storyboard was made." : "The scenes appear here when the storyboard is made."}</p>`}
    </section>
    <${Downloads} job=${job} />
    <${About} job=${job} />
    ${scene && html`<${SceneDialog} scene=${scene} job=${job} price=${price} edit=${edits[scene.sceneNumber]} busy=${busy} problem=${problem}
      several=${lacking.length > 1} onClose=${() => setOpen(null)}
      onAgain=${(/** @type {string} */ prompt) => act(() => api.regenerate(id, scene.sceneNumber, prompt), [scene.sceneNumber])}
      onKeep=${(/** @type {string} */ prompt) => (setEdits({ ...edits, [scene.sceneNumber]: prompt }), setOpen(null))}
      onChoose=${(/** @type {string} */ attempt) => act(() => api.choose(id, scene.sceneNumber, attempt))} />`}
    ${cancelling && html`<${CancelDialog} job=${job} busy=${busy} onClose=${() => setCancelling(false)} onCancel=${() => act(() => api.cancel(id))} />`}
    <${Live} text=${news} />
  </article>`;
}

show(html`<${JobPage} id=${location.pathname.split("/")[2]} />`);
