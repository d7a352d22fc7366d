/**
 * Follows one job: by its event stream, by polling every two seconds when there is none, and back by itself.
 *
 * A hidden page gives its stream back (browsers allow six connections to a host) and only looks now and then.
 * A stream may also die without a word, so while one is open the job is still asked for every 15 seconds, which costs
 * an empty 304; an answer that is newer than the stream's last word gives the dead stream away. A job that has ended is
 * asked for as seldom: another tab may have begun to mend it.
 */

import { ApiProblem, readJob } from "./api.js";
import { ended } from "./words.js";

/** @typedef {import("./api.js").Job} Job */
/** @typedef {"live"|"polling"|"hidden"|"offline"|"ended"} Link How news arrive now. */

const POLL = 2_000; // ms; while there is no stream
const QUEUED = 4_000; // the place in the queue is no change of the job itself, so no event tells of it
const CHECK = 15_000; // while the stream is open
const HIDDEN = 10_000;
const REOPEN = 5_000; // until a stream that was refused is tried again
const GONE = [404, 410];

export class JobFollower {
  /** @type {Job|null} */ #job = null;
  /** @type {EventSource|null} */ #stream = null;
  /** @type {string|null} */ #etag = null;
  /** @type {ReturnType<typeof setTimeout>|undefined} */ #timer;
  #open = false;
  #asking = false;
  #reopenAt = 0;
  #reached = true;

  /**
   * @param {string} id
   * @param {{onJob: (job: Job) => void, onLink: (link: Link) => void, onProblem: (problem: ApiProblem) => void,
   *   onClock: (serverMinusHere: number) => void}} told `onProblem` is called for what asking again can't mend.
   */
  constructor(id, told) {
    this.id = id;
    this.told = told;
  }

  /** Begin, or look at once. */
  start() {
    document.addEventListener("visibilitychange", this.look);
    window.addEventListener("online", this.look);
    window.addEventListener("offline", this.look);
    window.addEventListener("pageshow", this.look);
    this.look();
  }

  stop() {
    document.removeEventListener("visibilitychange", this.look);
    window.removeEventListener("online", this.look);
    window.removeEventListener("offline", this.look);
    window.removeEventListener("pageshow", this.look);
    clearTimeout(this.#timer);
    this.#close();
  }

  /** Ask for the job now; also after the page itself has changed something. */
  look = async () => {
    clearTimeout(this.#timer);
    if (this.#asking) return;
    this.#asking = true;
    try {
      const { job, etag, serverTime } = await readJob(this.id, this.#etag);
      this.#reached = true;
      this.#etag = etag;
      if (serverTime !== null) this.told.onClock(serverTime - Date.now());
      if (job) this.#asked(job);
    } catch (error) {
      this.#reached = false;
      this.#close();
      if (error instanceof ApiProblem && GONE.includes(error.status)) {
        this.stop();
        return this.told.onProblem(error);
      }
    } finally {
      this.#asking = false;
    }
    this.#next();
  };

  /** @param {Job} job An answer to a question, not from the stream. */
  #asked(job) {
    if (this.#open && this.#job && job.revision > this.#job.revision) this.#close(); // it told us nothing of this
    this.#take(job);
  }

  /** @param {Job} job */
  #take(job) {
    if (this.#job && job.revision < this.#job.revision) return;
    this.#job = job;
    this.told.onJob(job);
  }

  /** Decide what comes next: stream, poll or rest. */
  #next() {
    clearTimeout(this.#timer);
    if (this.#job && ended(this.#job)) return this.#rest();
    if (document.hidden) this.#close();
    else if (!this.#stream && this.#reached && Date.now() >= this.#reopenAt) this.#connect();
    this.told.onLink(this.#open ? "live" : !this.#reached ? "offline" : document.hidden ? "hidden" : "polling");
    const wait = document.hidden ? HIDDEN : !this.#open ? POLL : this.#job?.status === "queued" ? QUEUED : CHECK;
    this.#timer = setTimeout(this.look, wait);
  }

  #rest() {
    this.#close();
    this.told.onLink("ended");
    if (!document.hidden) this.#timer = setTimeout(this.look, CHECK);
  }

  #connect() {
    const stream = (this.#stream = new EventSource(`/api/job/${this.id}/events`));
    stream.onopen = () => {
      this.#open = this.#reached = true;
      this.#next();
    };
    stream.addEventListener("job", (event) => {
      this.#open = true;
      this.#take(JSON.parse(event.data));
      this.#next();
    });
    stream.onerror = () => {
      this.#close();
      this.#reopenAt = Date.now() + REOPEN;
      void this.look();
    };
  }

  #close() {
    this.#stream?.close();
    this.#stream = null;
    this.#open = false;
  }
}
