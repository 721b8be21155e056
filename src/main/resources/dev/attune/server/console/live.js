// What happens in jobs, as it happens.
import { extended } from './chart.js';
import { get, streamed } from './api.js';
import { announce } from './widgets.js';

const LOOK_MILLIS = 2500;
const MOST_WAIT_MILLIS = 15000;

/** States that a job can leave. */
export const UNFINISHED = ['validating_files', 'queued', 'running', 'paused'];

export function isUnfinished(job) {
  return UNFINISHED.includes(job.status);
}

/** What people call a job. */
export function jobName(job) {
  return job.user_provided_suffix || job.id;
}

function seen() {
  return document.hidden ? new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true })) : Promise.resolve();
}

function pause(millis) {
  return new Promise((resolve) => setTimeout(resolve, millis));
}

/** The newest jobs, looked at again and again; changes of their states are said aloud. */
class Jobs {
  constructor() {
    this.byId = new Map();
    this.error = null;
    this.loaded = false;
    this.hasOlder = false;
    this.listeners = new Set();
    this.running = false;
  }

  list() {
    return [...this.byId.values()].sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? 1 : -1));
  }

  on(listener) {
    this.listeners.add(listener);
    if (!this.running) {
      this.running = true;
      this.run();
    }
    return () => this.listeners.delete(listener);
  }

  tell() {
    this.listeners.forEach((listener) => listener());
  }

  async run() {
    while (this.listeners.size > 0) {
      await this.look();
      await pause(LOOK_MILLIS);
      await seen();
    }
    this.running = false;
  }

  /** Asks now. */
  async look() {
    try {
      const page = await get('/v1/fine_tuning/jobs?limit=50');
      this.hasOlder = this.loaded ? this.hasOlder : page.has_more;
      this.take(page.data);
      const oldest = page.data.length > 0 ? page.data[page.data.length - 1].created_at : 0;
      for (const job of this.byId.values()) { // those of older pages, while anything can become of them
        if (job.created_at < oldest && isUnfinished(job)) {
          this.take([await get('/v1/fine_tuning/jobs/' + encodeURIComponent(job.id))]);
        }
      }
      this.loaded = true;
      this.error = null;
    } catch (error) {
      this.error = error;
    }
    this.tell();
  }

  async older() {
    const all = this.list();
    const page = await get('/v1/fine_tuning/jobs?limit=50&after=' + encodeURIComponent(all[all.length - 1].id));
    this.take(page.data);
    this.hasOlder = page.has_more;
    this.tell();
  }

  take(jobs) {
    for (const job of jobs) {
      const known = this.byId.get(job.id);
      if (known && known.status !== job.status) {
        announce('Job ' + jobName(job) + ' is ' + job.status.replaceAll('_', ' ') + ' now');
      }
      this.byId.set(job.id, job);
    }
  }

  /** Forgets all: somebody else asks now. */
  clear() {
    this.byId.clear();
    this.loaded = false;
    this.error = null;
    this.tell();
    if (this.running) {
      this.look();
    }
  }
}

export const jobs = new Jobs();

/** Curves of some jobs, by one stream that is taken up again where it breaks off. */
export class LiveCurves {
  constructor(onChange) {
    this.onChange = onChange;
    this.curves = new Map(); // by job, then series
    this.runs = new Map(); // by job: how far it is
    this.connected = false;
    this.ids = '';
  }

  watch(ids) {
    const wanted = ids.map(encodeURIComponent).join(',');
    if (wanted !== this.ids) {
      this.stop();
      this.ids = wanted;
      if (wanted) {
        this.run(this.stopping = new AbortController());
      }
    }
  }

  stop() {
    if (this.stopping) {
      this.stopping.abort();
      this.stopping = null;
    }
    this.ids = '';
  }

  of(id) {
    return this.curves.get(id) || new Map();
  }

  async run(stopping) {
    const { signal } = stopping;
    for (let wait = 1000; !signal.aborted; wait = Math.min(2 * wait, MOST_WAIT_MILLIS)) {
      const hidden = () => document.hidden && this.round && this.round.abort();
      document.addEventListener('visibilitychange', hidden);
      this.round = new AbortController();
      const end = () => this.round.abort();
      signal.addEventListener('abort', end);
      try {
        for await (const event of streamed('GET', '/v1/attune/live?jobs=' + this.ids, { signal: this.round.signal })) {
          if (signal.aborted) {
            return;
          }
          wait = 1000;
          this.connected = true;
          this.take(event);
        }
      } catch (error) {
        if (error.status === 401) {
          return; // the key form takes over
        }
      } finally {
        document.removeEventListener('visibilitychange', hidden);
        signal.removeEventListener('abort', end);
      }
      if (!signal.aborted) {
        this.connected = false;
        this.onChange();
        await seen();
        await pause(wait);
      }
    }
  }

  take(event) {
    if (event.object === 'attune.curve') {
      if (!this.curves.has(event.job)) {
        this.curves.set(event.job, new Map());
      }
      extended(this.curves.get(event.job), event);
    } else if (event.object === 'attune.run') {
      this.runs.set(event.job, event);
    }
    this.onChange();
  }
}
