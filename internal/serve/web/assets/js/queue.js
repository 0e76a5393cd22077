// Pictures on their way to the server: a few at a time, while the others wait. A busy server is
// asked again after the time that it names.

const slots = 2;
const mostTries = 40;

// Queue runs jobs {run(signal, job), state, progress, ...}. It dispatches 'change' with the job as
// its detail whenever a job changes, and each second while one waits for a busy server. States:
// waiting, sending, looking, busy, done, failed.
export class Queue extends EventTarget {
  constructor() {
    super();
    this.waiting = [];
    this.running = 0;
    this.openAt = 0; // nothing is sent before this value of performance.now()
  }

  // add queues a job, with `first` before all others, and returns it.
  add(run, { first = false } = {}) {
    const job = { run, state: 'waiting', progress: 0, told: null, tries: 0, answer: null, error: null, againAt: 0, abort: new AbortController() };
    if (first) this.waiting.unshift(job);
    else this.waiting.push(job);
    queueMicrotask(() => this.#pump());
    return job;
  }

  // hurry moves a waiting job to the front.
  hurry(job) {
    const at = this.waiting.indexOf(job);
    if (at > 0) this.waiting.unshift(...this.waiting.splice(at, 1));
  }

  drop(job) {
    this.waiting = this.waiting.filter((j) => j !== job);
    job.abort.abort();
    if (job.leave) job.leave();
  }

  change(job, fields) {
    Object.assign(job, fields);
    if (!job.abort.signal.aborted) this.dispatchEvent(new CustomEvent('change', { detail: job }));
  }

  #pump() {
    const wait = this.openAt - performance.now();
    if (wait > 0) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.#pump(), wait);
      return;
    }
    while (this.running < slots && this.waiting.length) this.#start(this.waiting.shift());
  }

  async #start(job) {
    this.running++;
    this.change(job, { state: 'sending', progress: 0, told: null, tries: job.tries + 1 });
    const left = new Promise((resolve) => { job.leave = resolve; });
    try {
      const answer = await Promise.race([left, job.run(job.abort.signal, (sent, told = null) => {
        if (sent < 1) this.change(job, { state: 'sending', progress: sent });
        else this.change(job, { state: 'looking', told, progress: told?.total ? told.done / told.total : 0 });
      })]);
      this.running--;
      if (answer) this.change(job, { state: 'done', answer });
    } catch (error) {
      this.running--;
      if (error.status === 429 && job.tries < mostTries) this.#again(job, error.retryAfter);
      else this.change(job, { state: 'failed', error });
    }
    this.#pump();
  }

  // again puts a job back at the front, to be sent after the given time.
  #again(job, seconds) {
    if (job.abort.signal.aborted) return;
    const at = performance.now() + Math.min(Math.max(seconds, 1), 120) * 1000;
    this.openAt = Math.max(this.openAt, at);
    this.waiting.unshift(job);
    const tell = () => {
      if (job.againAt !== at || job.state !== 'busy') return;
      this.change(job, {});
      setTimeout(tell, 1000);
    };
    Object.assign(job, { state: 'busy', againAt: at });
    tell();
  }
}
