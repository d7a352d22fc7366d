/** The library: a person's films, and what is still being made. */

import { deleteVideo, jobs as readJobs, videos as readVideos } from "./api.js";
import { Dialog, Frame, html, Live, Problem, show, useEffect, useRef, useState } from "./dom.js";
import { counted, day } from "./text.js";
import { ended } from "./words.js";

/** @typedef {import("./api.js").Video} Video */
/** @typedef {import("./api.js").JobSummary} JobSummary */

const PAUSE = 250; // ms without a key pressed
const LOOK = 5_000; // while something is being made

/** @param {string} search */
function useFilms(search) {
  const [films, setFilms] = useState(/** @type {Video[]|null} */ (null));
  const [next, setNext] = useState(/** @type {string|null} */ (null));
  const [problem, setProblem] = useState("");
  const read = async (/** @type {string|null} */ cursor) => {
    try {
      const page = await readVideos(cursor, search.trim());
      setFilms((before) => (cursor ? [...(before ?? []), ...page.videos] : page.videos));
      setNext(page.next);
      setProblem("");
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  useEffect(() => {
    const timer = setTimeout(() => read(null), films ? PAUSE : 0);
    return () => clearTimeout(timer);
  }, [search]);
  const drop = (/** @type {Video} */ film) => setFilms((before) => before?.filter(({ id }) => id !== film.id) ?? null);
  return { films, problem, drop, more: next ? () => read(next) : null, again: () => read(null) };
}

/** @param {{film: Video, onDelete: () => void}} props */
function FilmCard({ film, onDelete }) {
  const address = film.jobId ? `/jobs/${film.jobId}` : film.videoUrl;
  return html`<li class="film">
    <a href=${address}>
      <${Frame} shape="16:9">${film.posterUrl ? html`<img src=${film.posterUrl} alt="" loading="lazy" />` : html`<p>No poster</p>`}<//>
      <h2 dir="auto">${film.title}</h2>
    </a>
    <p class="note">${day(film.createdAt)}</p>
    <button type="button" class="plain" aria-label=${`Delete ${film.title} from the library`} onClick=${onDelete}>Delete</button>
  </li>`;
}

/** @param {{job: JobSummary}} props */
const Unfinished = ({ job }) => html`<li>
  <a href=${`/jobs/${job.jobId}`} dir="auto">${job.title}</a>
  <span class="note">${job.status === "processing" ? `${job.progress} %, ${job.currentStep.replace("...", "")}` : job.currentStep.replace("...", "")}</span>
</li>`;

/** What is being made, and in its own fold what ended without a film.
 * @param {{jobs: JobSummary[]}} props */
function Making({ jobs }) {
  const [live, over] = [jobs.filter((job) => !ended(job)), jobs.filter(ended)];
  if (!jobs.length) return null;
  const list = (/** @type {JobSummary[]} */ some) =>
    html`<ul role="list">${some.map((job) => html`<${Unfinished} key=${job.jobId} job=${job} />`)}</ul>`;
  return html`<section class="making" aria-labelledby="making-title">
    <h2 id="making-title">Not finished</h2>
    ${live.length > 0 && list(live)}
    ${over.length > 0 && html`<details><summary>${counted(over.length, "film")} failed or cancelled</summary>${list(over)}</details>`}
  </section>`;
}

/** @param {{search: string}} props */
const Empty = ({ search }) => search
  ? html`<p class="blank">No film’s title or script holds “${search}”.</p>`
  : html`<div class="blank"><p>Your films will stand here.</p>
      <p>Write a story of a few sentences, look at its scenes and their price, and press Generate.</p>
      <p><a class="primary" href="/">Write your first script</a></p></div>`;

function LibraryPage() {
  const [search, setSearch] = useState("");
  const [doomed, setDoomed] = useState(/** @type {Video|null} */ (null));
  const [making, setMaking] = useState(/** @type {JobSummary[]|null} */ (null));
  const [said, setSaid] = useState("");
  const [fault, setFault] = useState("");
  const { films, problem, drop, more, again } = useFilms(search);
  const live = useRef(0);
  const look = async () => {
    const found = await readJobs().catch(() => null); // the films themselves say when the studio is away
    if (!found) return setMaking((before) => before ?? []);
    const unfinished = found.jobs.filter(({ status }) => status !== "completed");
    const now = unfinished.filter((job) => !ended(job)).length;
    if (now < live.current) void again();
    live.current = now;
    setMaking(unfinished);
  };
  useEffect(() => {
    void look();
    const back = () => { if (!document.hidden) void look(); };
    const timer = setInterval(() => live.current && back(), LOOK);
    document.addEventListener("visibilitychange", back);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", back);
    };
  }, [search]);
  useEffect(() => {
    if (films && search) setSaid(`${counted(films.length, "film")} found.`);
  }, [films]);
  const remove = async () => {
    if (!doomed) return;
    try {
      await deleteVideo(doomed.id);
      drop(doomed);
      setSaid(`${doomed.title} deleted.`);
      document.getElementById("page")?.focus(); // its button is gone
    } catch (error) {
      setFault(error instanceof Error ? error.message : String(error));
    }
    setDoomed(null);
  };
  const shown = making && films; // together: what is being made stands above the films and would move them
  return html`<div class="library">
    <header>
      <h1>Library</h1>
      ${(films?.length || search) && html`<label><span class="unseen">Search titles and scripts</span>
        <input type="search" placeholder="Search titles and scripts" value=${search} maxlength="200"
          onInput=${(/** @type {any} */ event) => setSearch(event.target.value)} /></label>`}
    </header>
    ${(problem || fault) && html`<${Problem} text=${problem || fault}><button type="button" onClick=${() => (setFault(""), again())}>Try again</button><//>`}
    ${!search && html`<${Making} jobs=${making ?? []} />`}
    ${shown && !shown.length && !problem && html`<${Empty} search=${search.trim()} />`}
    <ul class="films" role="list" aria-label="Films">${shown?.map((film) =>
      html`<${FilmCard} key=${film.id} film=${film} onDelete=${() => setDoomed(film)} />`)}</ul>
    ${shown && more && html`<button type="button" class="add" onClick=${more}>Show more</button>`}
    ${doomed && html`<${Dialog} label="Delete this film?" onClose=${() => setDoomed(null)}>
      <p>“${doomed.title}” leaves the library.${doomed.jobId ? " Its own page keeps working for those who have the address." : ""}</p>
      <div class="acts"><button type="button" class="danger" onClick=${remove}>Delete from the library</button>
        <button type="button" autofocus onClick=${() => setDoomed(null)}>Keep it</button></div>
    <//>`}
    <${Live} text=${said} />
  </div>`;
}

show(html`<${LibraryPage} />`);
