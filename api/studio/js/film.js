/** The screen: the film with captions and chapters, or the place where it will be. */

import { readManifest } from "./api.js";
import { Frame, html, ratio, useEffect, useRef, useState } from "./dom.js";
import { clock, megabytes } from "./text.js";

/** @typedef {import("./api.js").Job} Job */
/** @typedef {import("./api.js").Film} FilmFiles */
/** @typedef {import("./api.js").Manifest["scenes"]} Chapters */

/** The film's scenes and when they begin, from its manifest; empty until it is there.
 * @param {FilmFiles|null} film @returns {Chapters} */
function useChapters(film) {
  const [chapters, setChapters] = useState(/** @type {Chapters} */ ([]));
  useEffect(() => {
    setChapters([]);
    if (!film) return undefined;
    let wanted = true;
    readManifest(film.manifestUrl).then((manifest) => wanted && setChapters(manifest.scenes), () => {});
    return () => { wanted = false; };
  }, [film?.manifestUrl]);
  return chapters;
}

/** Chapters for the browser's own controls and for assistive technology.
 * @param {HTMLVideoElement} video @param {Chapters} chapters */
function addTrack(video, chapters) {
  const track = video.addTextTrack("chapters", "Scenes");
  for (const { startSeconds, durationSeconds, description } of chapters)
    track.addCue(new VTTCue(startSeconds, startSeconds + durationSeconds, description));
}

/** The row of chapters before they are known: as high as it will be.
 * @param {{scenes: number, shape: string}} props */
const Places = ({ scenes, shape }) => html`<ol class="chapters" aria-hidden="true" style=${{ "--ratio": ratio(shape) }}>
  ${Array.from({ length: scenes }, (_, place) => html`<li><span>${place + 1}</span></li>`)}</ol>`;

/** @param {{film: FilmFiles, title: string, shape: string, scenes: number}} props */
function Player({ film, title, shape, scenes }) {
  const video = useRef(/** @type {HTMLVideoElement|null} */ (null));
  const list = useRef(/** @type {HTMLElement|null} */ (null));
  const [at, setAt] = useState(0);
  const chapters = useChapters(film);
  useEffect(() => {
    if (video.current && chapters.length) addTrack(video.current, chapters);
  }, [chapters]);
  const now = chapters.findLastIndex(({ startSeconds }) => startSeconds <= at + 0.05);
  useEffect(() => {
    const [row, place] = [list.current, list.current?.children[now]];
    if (row && place instanceof HTMLElement) row.scrollLeft = place.offsetLeft - row.offsetLeft - row.clientWidth / 2;
  }, [now]);
  const jump = (/** @type {number} */ seconds) => {
    if (!video.current) return;
    video.current.currentTime = seconds + 0.01;
    void video.current.play().catch(() => {}); // refused by the browser: the person presses play
  };
  return html`<div class="player">
    <${Frame} shape=${shape} class="screen">
      <video ref=${video} key=${film.videoUrl} src=${film.videoUrl} poster=${film.posterUrl} controls playsinline preload="metadata"
        aria-label=${`Film: ${title}`} onTimeUpdate=${(/** @type {any} */ event) => setAt(event.target.currentTime)}>
        <track kind="captions" src=${film.captionsUrl} srclang="und" label="Captions" default />
      </video>
      <span class="ai">AI-generated</span>
    <//>
    ${!chapters.length && html`<${Places} scenes=${scenes} shape=${shape} />`}
    ${chapters.length > 0 && html`<ol ref=${list} class="chapters" role="list" aria-label="Scenes of the film" style=${{ "--ratio": ratio(shape) }}>
      ${chapters.map((chapter, place) => html`<li style=${{ flexGrow: chapter.durationSeconds }}>
        <button type="button" aria-current=${place === now ? "true" : null} title=${chapter.description}
          aria-label=${`Scene ${chapter.sceneNumber}, at ${clock(chapter.startSeconds)}: ${chapter.description}`}
          onClick=${() => jump(chapter.startSeconds)}>${chapter.sceneNumber}</button>
      </li>`)}
    </ol>`}
  </div>`;
}

/** What stands where the film will be: the newest still, or an empty frame.
 * @param {{job: Job, shape: string}} props */
function Blank({ job, shape }) {
  const stills = job.results?.scenes.filter((scene) => scene.imageUrl) ?? [];
  const newest = stills[stills.length - 1];
  const words = job.status === "failed" || job.status === "cancelled" ? "No film yet" : "Your film will play here";
  return html`<div class="player">
    <${Frame} shape=${shape} class="screen waiting">
      ${newest && html`<img src=${newest.imageUrl} alt="" />`}
      <p>${words}</p>
    <//>
    <${Places} scenes=${job.counts.total} shape=${shape} />
  </div>`;
}

/** @param {{job: Job}} props */
export function Screen({ job }) {
  const film = job.results?.film ?? null;
  const shape = job.options.aspectRatio;
  return film ? html`<${Player} film=${film} title=${job.title} shape=${shape} scenes=${job.counts.total} />` : html`<${Blank} job=${job} shape=${shape} />`;
}

/** The address that saves a file under a name. @param {string} url @param {string} name */
const named = (url, name) => `${url}?${new URLSearchParams({ download: name })}`;

/** A job's title as the name of a file. @param {Job} job */
const fileName = (job) => job.title.replace(/[^\p{L}\p{N} -]+/gu, "").trim().slice(0, 80) || "Film";

/** @param {{job: Job}} props */
export function Download({ job }) {
  const film = job.results?.film;
  return film ? html`<a class="primary act" href=${named(film.videoUrl, fileName(job))} download>Download the film</a>` : null;
}

/** @param {{job: Job}} props */
export function Downloads({ job }) {
  const film = job.results?.film;
  if (!film) return null;
  const name = fileName(job);
  return html`<section class="downloads" aria-labelledby="downloads-title">
    <h2 id="downloads-title">Keep it</h2>
    <ul>
      <li><a href=${named(film.videoUrl, name)} download>Film</a> <small>MP4, ${film.width} × ${film.height}, ${megabytes(film.sizeBytes)}</small></li>
      <li><a href=${named(film.captionsUrl, name)} download>Captions</a> <small>WebVTT</small></li>
      <li><a href=${named(film.manifestUrl, name)} download>Manifest</a> <small>what it was made of, JSON</small></li>
    </ul>
    <details><summary>Clips, one by one</summary><ol>
      ${job.results?.scenes.filter((scene) => scene.videoUrl).map((scene) => html`<li value=${scene.sceneNumber}>
        <a href=${named(scene.videoUrl ?? "", `${name} ${scene.sceneNumber}`)} download>Scene ${scene.sceneNumber}</a></li>`)}
    </ol></details>
  </section>`;
}
