/** A scene of a job: its card, and the dialog in which it is mended. */

import { Dialog, Frame, html, Problem, Text, useEffect, useRef, useState } from "./dom.js";
import { money, span } from "./text.js";
import { ended, sceneFault, standing } from "./words.js";

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

/** What stands in the frame until a clip does; its place is the clip's, so nothing moves.
 * @param {{scene: Scene, job: Job, now: number}} props */
function Standing({ scene, job, now }) {
  const { what, more, kind } = standing(scene, job, now);
  return html`<div class=${`standing ${kind}`}><b>${what}</b><p class="note">${more}</p></div>`;
}

/** @param {{scene: Scene, job: Job, now: number, fresh: boolean, edited: boolean, onOpen: () => void}} props */
export function SceneView({ scene, job, now, fresh, edited, onOpen }) {
  const { sceneNumber: number, status, durationSeconds, costUsd } = scene;
  const failed = status === "failed";
  const clips = scene.takes.filter((take) => take.videoUrl).length;
  return html`<li class=${`scene ${status}`} aria-label=${`Scene ${number}`}>
    <${Frame} shape=${job.options.aspectRatio}>
      ${scene.videoUrl
        ? html`<${Clip} scene=${scene} fresh=${fresh} />`
        : html`<${Standing} scene=${scene} job=${job} now=${now} />`}
      <span class="number" aria-hidden="true">${number}</span>
    <//>
    <p class="said" dir="auto">${scene.description}</p>
    <div class="foot">
      <p class="note">${status === "completed" ? `${span(durationSeconds)}, ${money(costUsd)}`
        : scene.videoUrl ? `${standing(scene, job, now).what}; the earlier take is kept` : span(durationSeconds)}</p>
      <button type="button" class=${failed ? "mend" : "plain"} onClick=${onOpen}>
        ${failed ? (edited ? "Edited, try again" : "Edit and try again") : clips > 1 ? `Prompt and ${clips} takes` : "Prompt"}
        <span class="unseen"> of scene ${number}</span>
      </button>
    </div>
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
  const editable = rest || scene.status === "failed";
  return html`<${Dialog} label=${`Scene ${scene.sceneNumber}`} onClose=${onClose} class="wide">
    <p class="said" dir="auto">${scene.description}</p>
    ${scene.status === "failed" && html`<div class="problem stacked"><p><strong>${what}.</strong> ${next}</p>
      <p class="note">${scene.error}</p></div>`}
    <label class="field"><span>Prompt</span>
      <${Text} value=${prompt} autofocus=${scene.status === "failed"} readonly=${!editable} onInput=${setPrompt} />
    </label>
    ${!rest && html`<p class="note">${editable
      ? "It can be tried again when the other scenes are done. Your words can be kept until then."
      : "Another take can be made when the film is done."}</p>`}
    ${problem && html`<${Problem} text=${problem} />`}
    <div class="acts">
      <button type="button" class=${rest ? "primary" : ""} disabled=${busy || !rest || short} onClick=${() => onAgain(prompt.trim())}>
        ${lacking ? "Try this scene again" : "Make another take"} for ${money(price)}
      </button>
      ${lacking && editable && (several || !rest) && html`<button type="button" class=${rest ? "" : "primary"} disabled=${short} onClick=${() => onKeep(prompt.trim())}>
        ${rest ? "Keep for “try all again”" : "Keep these words"}</button>`}
    </div>
    <${Takes} scene=${scene} job=${job} onChoose=${onChoose} busy=${busy} />
  <//>`;
}
