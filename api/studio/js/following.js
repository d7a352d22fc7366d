/** A followed job for a page: the job, the server's time, what is new, and a sentence when something changed. */

import { useEffect, useNow, useRef, useState } from "./dom.js";
import { JobFollower } from "./follow.js";
import { ended, headline, sceneFault } from "./words.js";

/** @typedef {import("./api.js").Job} Job */

/** What changed from one state of a job to the next, in one sentence for a live region.
 * @param {Job|null} before @param {Job} after */
function changes(before, after) {
  if (!before || before.run !== after.run) return headline(after);
  const said = [];
  for (const scene of after.results?.scenes ?? []) {
    const was = before.results?.scenes.find(({ sceneNumber }) => sceneNumber === scene.sceneNumber);
    if (was?.status === scene.status) continue;
    if (scene.status === "completed") said.push(`Scene ${scene.sceneNumber} of ${after.counts.total} is ready.`);
    if (scene.status === "failed") said.push(`Scene ${scene.sceneNumber}: ${sceneFault(scene).what}.`);
  }
  if (before.status !== after.status) said.push(`${headline(after)}.`);
  if (after.waitingFor && before.waitingFor !== after.waitingFor) said.push(after.waitingFor);
  return said.join(" ");
}

/** Scenes whose clip came while we were looking.
 * @param {Job|null} before @param {Job} after @returns {number[]} */
function arrived(before, after) {
  if (!before) return [];
  const had = new Map(before.results?.scenes.map((scene) => [scene.sceneNumber, scene.videoUrl]));
  return (after.results?.scenes ?? [])
    .filter((scene) => scene.videoUrl && had.get(scene.sceneNumber) !== scene.videoUrl)
    .map((scene) => scene.sceneNumber);
}

/** @param {string} id */
export function useJob(id) {
  const [job, setJob] = useState(/** @type {Job|null} */ (null));
  const [link, setLink] = useState(/** @type {import("./follow.js").Link} */ ("polling"));
  const [problem, setProblem] = useState(/** @type {Error|null} */ (null));
  const [offset, setOffset] = useState(0);
  const [heard, setHeard] = useState(0);
  const [news, setNews] = useState("");
  const fresh = useRef(/** @type {Set<number>} */ (new Set()));
  const last = useRef(/** @type {Job|null} */ (null));
  const follower = useRef(/** @type {JobFollower|null} */ (null));
  useEffect(() => {
    const onJob = (/** @type {Job} */ next) => {
      for (const number of arrived(last.current, next)) fresh.current.add(number);
      const said = changes(last.current, next);
      if (said) setNews(said);
      last.current = next;
      setJob(next);
      setHeard(Date.now());
    };
    follower.current = new JobFollower(id, { onJob, onLink: setLink, onProblem: setProblem, onClock: setOffset });
    follower.current.start();
    return () => follower.current?.stop();
  }, [id]);
  const now = useNow(!!job && !ended(job)) + offset;
  const look = async () => follower.current?.look();
  return { job, link, problem, now, heard: heard + offset, fresh: fresh.current, news, look };
}
