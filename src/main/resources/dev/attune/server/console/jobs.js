// Jobs: the list of all, and several beside each other.
import { h, Component } from './lib/preact.js';
import { Charts, COLOURS } from './chart.js';
import { differences } from './tables.js';
import { number } from './text.js';
import { get } from './api.js';
import { isUnfinished, jobName, jobs, LiveCurves } from './live.js';
import { Action, go, Id, link, Loaded, Problem, Status, When } from './widgets.js';

const SPARK = { width: 120, height: 28 };

/** A curve in small, as decoration beside its last value. */
function Spark({ data }) {
  const points = data[0].map((x, i) => [x, data[1][i]]).filter(([, value]) => value !== null);
  if (points.length < 2) {
    return null;
  }
  const values = points.map(([, value]) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [first, last] = [points[0][0], points[points.length - 1][0]];
  const path = points.map(([x, value], i) => (i === 0 ? 'M' : 'L')
    + (1 + (SPARK.width - 2) * (x - first) / (last - first || 1)).toFixed(1) + ' '
    + (1 + (SPARK.height - 2) * (high - value) / (high - low || 1)).toFixed(1)).join('');
  return h('svg', { class: 'spark', viewBox: '0 0 ' + SPARK.width + ' ' + SPARK.height, 'aria-hidden': 'true' }, h('path', { d: path }));
}

export function Progress({ run }) {
  return run && run.total_steps > 0
    ? h('span', { class: 'steps' },
      h('progress', { 'aria-label': 'steps', value: run.step, max: run.total_steps }),
      h('span', { class: 'soft' }, number(run.step) + ' / ' + number(run.total_steps)))
    : null;
}

/** What to hold on to of the method: supervised, dpo. */
export function method(job) {
  return (job.method && job.method.type) || 'supervised';
}

export class JobsView extends Component {
  constructor() {
    super();
    this.state = { chosen: [], filter: '' };
    this.live = new LiveCurves(() => this.setState({}));
  }

  componentDidMount() {
    this.off = jobs.on(() => {
      this.live.watch(jobs.list().filter((job) => job.status === 'running').slice(0, 10).map((job) => job.id));
      this.setState({});
    });
  }

  componentWillUnmount() {
    this.off();
    this.live.stop();
  }

  choose(id) {
    const { chosen } = this.state;
    this.setState({ chosen: chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id].slice(-COLOURS) });
  }

  row(job) {
    const run = this.live.runs.get(job.id);
    const loss = this.live.of(job.id).get('train/loss');
    return h('tr', { key: job.id },
      h('td', { class: 'check' }, h('input', {
        type: 'checkbox', 'aria-label': 'compare ' + jobName(job), checked: this.state.chosen.includes(job.id), onChange: () => this.choose(job.id),
      })),
      h('th', { scope: 'row', class: 'name' }, h('a', { href: link('jobs', job.id) }, jobName(job)), job.user_provided_suffix && h(Id, { value: job.id })),
      h('td', { 'data-name': 'state' }, h(Status, { value: job.status })),
      h('td', { 'data-name': 'base', class: 'breaks' }, job.model),
      h('td', { 'data-name': 'method' }, method(job)),
      h('td', { 'data-name': 'created' }, h(When, { at: job.created_at })),
      h('td', { 'data-name': 'progress', class: 'progress' },
        job.status === 'running' ? [h(Progress, { run }), loss && h('span', { class: 'line' }, h(Spark, { data: loss }), h('span', { class: 'soft' }, 'loss ' + number(loss[1][loss[1].length - 1])))]
          : job.status === 'succeeded' && job.trained_tokens ? h('span', { class: 'soft' }, number(job.trained_tokens) + ' tokens')
            : job.status === 'failed' && job.error ? h('span', { class: 'soft clip' }, job.error.message) : '–'));
  }

  render(props, { chosen, filter }) {
    const wanted = filter.toLowerCase();
    const found = jobs.list().filter((job) => [job.id, job.user_provided_suffix, job.status, job.model, method(job)].join(' ').toLowerCase().includes(wanted));
    return [
      h('div', { class: 'head' },
        h('h1', { tabIndex: -1 }, 'Jobs'),
        h('input', { type: 'search', placeholder: 'filter', 'aria-label': 'filter jobs', value: filter, onInput: (event) => this.setState({ filter: event.target.value }) }),
        h('button', { type: 'button', class: 'secondary outline', disabled: chosen.length < 2, onClick: () => go('jobs', 'compare', chosen.join(',')) },
          chosen.length < 2 ? 'Compare' : 'Compare ' + chosen.length),
        h('a', { role: 'button', href: link('jobs', 'new') }, 'New job')),
      h(Problem, { error: jobs.error }),
      !jobs.loaded ? !jobs.error && h('p', { class: 'empty', 'aria-busy': 'true' }, 'Loading …')
        : found.length === 0 ? h('div', { class: 'empty' }, jobs.list().length > 0 ? 'No job like that.' : ['No jobs yet. ', h('a', { href: link('files') }, 'Upload a file'), ', then start a ', h('a', { href: link('jobs', 'new') }, 'new job'), '.'])
          : h('div', { class: 'scroll' }, h('table', { class: 'list' },
            h('caption', { class: 'unseen' }, 'Jobs, the newest first'),
            h('thead', null, h('tr', null, h('th', { scope: 'col' }, h('span', { class: 'unseen' }, 'compare')),
              ['job', 'state', 'base', 'method', 'created', 'progress'].map((name) => h('th', { key: name, scope: 'col' }, name)))),
            h('tbody', null, found.map((job) => this.row(job))))),
      jobs.hasOlder && h('p', null, h(Action, { class: 'secondary outline', run: () => jobs.older() }, 'Show older ones')),
    ];
  }
}

/** Several jobs, drawn over each other. */
export class CompareView extends Component {
  constructor(props) {
    super(props);
    this.state = { smooth: false };
    this.live = new LiveCurves(() => this.setState({}));
  }

  ids() {
    return this.props.ids.split(',').slice(0, COLOURS);
  }

  componentDidMount() {
    this.live.watch(this.ids());
  }

  componentDidUpdate() {
    this.live.watch(this.ids());
  }

  componentWillUnmount() {
    this.live.stop();
  }

  async load(signal) {
    return Promise.all(this.ids().map(async (id) => {
      const job = await get('/v1/fine_tuning/jobs/' + encodeURIComponent(id), { signal });
      const run = await get('/v1/attune/jobs/' + encodeURIComponent(id) + '/run', { signal }).catch((error) => (error.status === 404 ? null : Promise.reject(error)));
      return { job, run };
    }));
  }

  render({ ids }, { smooth }) {
    return [
      h('div', { class: 'head' }, h('h1', { tabIndex: -1 }, 'Compare jobs'),
        h('label', { class: 'inline' }, h('input', { type: 'checkbox', checked: smooth, onChange: (event) => this.setState({ smooth: event.target.checked }) }), 'smooth training curves')),
      h(Loaded, {
        on: ids, every: (all) => (all && !all.some(({ job }) => isUnfinished(job)) ? 0 : 5000), load: (signal) => this.load(signal),
        view: (all) => {
          const beside = (of) => all.map((one, slot) => ({ id: one.job.id, name: jobName(one.job), slot, values: of(one) }));
          return [
            h('div', { class: 'keys' }, all.map(({ job }, slot) => h('a', { key: job.id, class: 'key k' + slot, href: link('jobs', job.id) }, jobName(job), ' ', h(Status, { value: job.status })))),
            h(Charts, { runs: all.map(({ job }, slot) => ({ id: job.id, name: jobName(job), slot, curves: this.live.of(job.id) })), prefixes: ['train/', 'eval/'], axis: 'step', smooth }),
            differences('What differs', beside(({ job, run }) => ({ base: job.model, 'training file': job.training_file, 'validation file': job.validation_file, seed: job.seed, ...(run ? run.config : {}) })), false),
            differences('Results', beside(({ run }) => (run ? run.last : {})), true),
          ];
        },
      }),
    ];
  }
}
