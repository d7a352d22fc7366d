/** A scene of a job: its card, and the dialog in which it is mended. */

import { Dialog, Frame, html, Problem, useEffect, useRef, useState } from "./dom.js";
import { ended } from "./follow.js";
import { money, span } from "./text.js";
import { refunded, sceneFault, working } from "./words.js";

/** @typedef {import("./api.js").Job} Job */
/** @typedef {import("./api.js").Scene} Scene */

/** Plays the clip once when it has just come, and whenever it is asked to; else the still stands.
 * @param {{scene: Scene, fresh: boolean}} props */
function Clip({ scene, fresh }) {
  const video = useRef(/** @type {HTMLVideoElement|null} */ (null));
  const [playing, setPlaying] = useState(false);
  useEffect(() => {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (fresh && !calm) void video.current?.play().catch(() => {});
  }, [scene.videoUrl]);
  const toggle = () => (playing ? video.current?.pause() : void video.current?.play().catch(() => {}));
  return html`<video ref=${video} key=${scene.videoUrl} src=${scene.videoUrl} poster=${scene.imageUrl} muted playsinline
      preload="none" tabindex="-1" aria-hidden="true" onPlay=${() => setPlaying(true)} onPause=${() => setPlaying(false)}
      onEnded=${(/** @type {any} */ event) => { event.target.load(); setPlaying(false); }}></video>
    <button type="button" class="play" aria-label=${`${playing ? "Pause" : "Play"} scene ${scene.sceneNumber}`}
      onClick=${toggle}><span aria-hidden="true">${playing ? "❚❚" : "▶"}</span></button>`;
}

/** @param {{scene: Scene, job: Job, now: number, fresh: boolean}} props What is in the frame. */
function Picture({ scene, job, now, fresh }) {
  if (scene.videoUrl) return html`<${Clip} scene=${scene} fresh=${fresh} />`;
  if (scene.status === "failed") return html`<p class="reason">${sceneFault(scene).what}</p>`;
  if (scene.status === "generating") {
    const { stalled } = working(scene, now);
    return html`<p class=${stalled ? "stalled" : "working"}>${stalled ? "Stalled" : "Generating"}</p>`;
  }
  return html`<p>${ended(job) ? "Not made" : "Waiting"}</p>`;
}

/** @param {{scene: Scene, job: Job, now: number}} props One or two lines about how it stands. */
function Note({ scene, job, now }) {
  if (scene.status === "generating") {
    const { text, stalled } = working(scene, now);
    return html`<p class=${`note ${stalled ? "warn" : ""}`}>${text}</p>`;
  }
  if (scene.status === "failed") {
    const kept = scene.videoUrl ? " The earlier take is kept." : "";
    return html`<p class="note fault">${sceneFault(scene).brief}${refunded(scene) ? " Refunded." : ""}${kept}</p>`;
  }
  if (scene.status === "completed") return html`<p class="note">${span(scene.durationSeconds)}, ${money(scene.costUsd)}</p>`;
  return html`<p class="note">${ended(job) ? "Nothing was spent on it." : "Its turn comes soon."}</p>`;
}

/** @param {{scene: Scene, job: Job, now: number, fresh: boolean, edited: boolean, onOpen: () => void}} props */
export function SceneView({ scene, job, now, fresh, edited, onOpen }) {
  const failed = scene.status === "failed";
  const clips = scene.takes.filter((take) => take.videoUrl).length;
  return html`<li class=${`scene ${scene.status}`} aria-label=${`Scene ${scene.sceneNumber}`}>
    <${Frame} shape=${job.options.aspectRatio}>
      <${Picture} scene=${scene} job=${job} now=${now} fresh=${fresh} />
      <span class="number" aria-hidden="true">${scene.sceneNumber}</span>
    <//>
    <p class="said"><span class="unseen">Scene ${scene.sceneNumber}: </span>${scene.description}</p>
    <${Note} scene=${scene} job=${job} now=${now} />
    <button type="button" class=${failed ? "mend" : "plain"} onClick=${onOpen} aria-label=${failed
      ? `Edit scene ${scene.sceneNumber} and try again` : `Prompt and takes of scene ${scene.sceneNumber}`}>
      ${failed ? (edited ? "Edited, try again" : "Edit and try again") : clips > 1 ? `Prompt and ${clips} takes` : "Prompt and takes"}
    </button>
  </li>`;
}

/** @param {{scene: Scene, job: Job, onChoose: (attemptId: string) => void, busy: boolean}} props */
function Takes({ scene, job, onChoose, busy }) {
  const clips = scene.takes.filter((take) => take.videoUrl);
  if (!clips.length) return null;
  return html`<h3>Takes</h3>
    <ul class="takes" role="list">${clips.map((take, place) => html`<li>
      <${Frame} shape=${job.options.aspectRatio}>
        <video src=${take.videoUrl} poster=${take.imageUrl} controls muted playsinline preload="none"
          aria-label=${`Take ${place + 1} of scene ${scene.sceneNumber}`}></video>
      <//>
      <p>Take ${place + 1}</p>
      ${take.videoUrl === scene.videoUrl && scene.status === "completed"
        ? html`<p class="note">In the film</p>`
        : html`<button type="button" disabled=${busy || !ended(job)} onClick=${() => onChoose(take.attemptId)}>Use this take</button>`}
    </li>`)}</ul>`;
}

/**
 * @param {{scene: Scene, job: Job, price: number, edit: string|undefined, busy: boolean, problem: string, several: boolean,
 *   onClose: () => void, onAgain: (prompt: string) => void, onKeep: (prompt: string) => void,
 *   onChoose: (attemptId: string) => void}} props
 */
export function SceneDialog({ scene, job, price, edit, busy, problem, several, onClose, onAgain, onKeep, onChoose }) {
  const [prompt, setPrompt] = useState(edit ?? scene.prompt);
  const lacking = scene.status !== "completed";
  const { what, next } = sceneFault(scene);
  const short = prompt.trim().length < 3;
  const rest = ended(job);
  return html`<${Dialog} label=${`Scene ${scene.sceneNumber}`} onClose=${onClose} class="wide">
    <p class="said">${scene.description}</p>
    ${scene.status === "failed" && html`<div class="problem stacked"><p><strong>${what}.</strong> ${next}</p>
      <p class="note">${scene.error}</p></div>`}
    <label class="field"><span>Prompt</span>
      <textarea rows="6" maxlength="5000" value=${prompt} disabled=${!rest}
        onInput=${(/** @type {any} */ event) => setPrompt(event.target.value)}></textarea>
    </label>
    ${!rest && html`<p class="note">A scene can be changed as soon as this run has ended.</p>`}
    ${problem && html`<${Problem} text=${problem} />`}
    <div class="acts">
      <button type="button" class="primary" disabled=${busy || !rest || short} onClick=${() => onAgain(prompt.trim())}>
        ${lacking ? "Try this scene again" : "Make another take"} for ${money(price)}
      </button>
      ${lacking && several && html`<button type="button" disabled=${!rest || short} onClick=${() => onKeep(prompt.trim())}>
        Keep for “try all again”</button>`}
    </div>
    <${Takes} scene=${scene} job=${job} onChoose=${onChoose} busy=${busy} />
  <//>`;
}
