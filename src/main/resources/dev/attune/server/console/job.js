// One job: its state, what can be done with it, and all that is known of its run.
import { h, Component } from './lib/preact.js';
import { Charts } from './chart.js';
import { confusion, dataReport, facts, findings, mistakes, table } from './tables.js';
import { duration, number, shown } from './text.js';
import { all, get, post } from './api.js';
import { isUnfinished, jobName, jobs, LiveCurves } from './live.js';
import { method, Progress } from './jobs.js';
import { Action, announce, Confirm, go, Id, link, Loaded, Problem, Status, Tabs, When } from './widgets.js';

const TABS = [['curves', 'Curves'], ['system', 'System'], ['results', 'Results'], ['data', 'Data'], ['events', 'Events'], ['checkpoints', 'Checkpoints'], ['settings', 'Settings']];
const MOST_EVENTS = 500;

function path(id, ...steps) {
  return '/v1/fine_tuning/jobs/' + [id, ...steps].map(encodeURIComponent).join('/');
}

export class JobView extends Component {
  constructor() {
    super();
    this.state = { smooth: false };
    this.live = new LiveCurves(() => this.setState({}));
  }

  componentDidMount() {
    this.live.watch([this.props.id]);
  }

  componentDidUpdate() {
    this.live.watch([this.props.id]);
  }

  componentWillUnmount() {
    this.live.stop();
  }

  async load(signal) {
    const { id } = this.props;
    const job = await get(path(id), { signal });
    const run = await get('/v1/attune/jobs/' + encodeURIComponent(id) + '/run', { signal }).catch((error) => (error.status === 404 ? null : Promise.reject(error)));
    if (this.status && this.status !== job.status) {
      announce('Job ' + jobName(job) + ' is ' + job.status.replaceAll('_', ' ') + ' now');
    }
    this.status = job.status;
    return { job, run };
  }

  async change(verb, reload) {
    await post(path(this.props.id, verb), {});
    reload();
    jobs.look();
  }

  actions(job, reload) {
    return h('div', { class: 'buttons' },
      job.status === 'paused' && h(Action, { class: '', run: () => this.change('resume', reload) }, 'Resume'),
      ['queued', 'running'].includes(job.status) && h(Action, { class: 'secondary outline', run: () => this.change('pause', reload) }, 'Pause'),
      isUnfinished(job) && h('button', { type: 'button', class: 'danger outline', onClick: () => this.setState({ cancelling: true }) }, 'Cancel'),
      job.fine_tuned_model && h('button', { type: 'button', onClick: () => go('playground', job.fine_tuned_model) }, 'Try the model'));
  }

  head({ job, run }, reload) {
    return [
      h('p', { class: 'line' }, h(Status, { value: job.status }), isUnfinished(job) && h(Progress, { run: this.live.runs.get(job.id) || run }),
        this.live.connected && job.status === 'running' && h('span', { class: 'soft' }, 'live')),
      this.actions(job, reload),
      job.error && job.error.message && h('pre', { class: 'problem' }, job.error.message),
      this.state.cancelling && h(Confirm, {
        title: 'Cancel this job?', text: jobName(job) + ' ends, and leaves no model. A pause keeps what was learned so far.', verb: 'Cancel the job',
        run: () => this.change('cancel', reload), onClose: () => this.setState({ cancelling: false }),
      }),
    ];
  }

  results(run, job) {
    const last = Object.entries(run ? run.last : {}).filter(([name]) => !name.startsWith('system/'));
    return [
      job.result_files && job.result_files.length > 0 && h('p', null, 'Results files: ', job.result_files.map((file) => h(Id, { key: file, value: file }))),
      run && run.findings && run.findings.length > 0 && [h('h2', null, 'What stands out'), findings(run.findings)],
      last.length > 0 && facts('Last values', last.map(([name, value]) => [name, number(value)])),
      run && run.confusion && confusion(run.confusion),
      run && run.mistakes && run.mistakes.worst.length > 0 && mistakes(run.mistakes),
      run && run.confusion && !run.mistakes && h('p', { class: 'soft' }, 'Worst mistakes are not looked for where the validation data are large beside what was learned.'),
      last.length === 0 && h('p', { class: 'empty' }, 'Nothing was measured yet.'),
    ];
  }

  settings(run, job) {
    const hyperparameters = (job.method && job.method[method(job)] && job.method[method(job)].hyperparameters) || job.hyperparameters || {};
    return [
      facts('Job', [
        ['id', h(Id, { value: job.id })], ['base', job.model], ['method', method(job)], ['training file', h(Id, { value: job.training_file })],
        ['validation file', job.validation_file ? h(Id, { value: job.validation_file }) : 'none'], ['seed', shown(job.seed)],
        ...Object.entries(hyperparameters).map(([name, value]) => [name.replaceAll('_', ' '), shown(value)]),
        ...Object.entries(job.attune || {}).filter(([, value]) => value !== null).map(([name, value]) => [name, shown(value)]),
        ...Object.entries(job.metadata || {}).map(([name, value]) => ['metadata: ' + name, value]),
      ]),
      run && run.config && facts('All options', Object.entries(run.config).map(([name, value]) => [name, shown(value)])),
      run && run.environment && facts('Machine', Object.entries(run.environment).map(([name, value]) => [name.replaceAll('_', ' '), shown(value)])),
      run && run.artifacts && facts('Files', run.artifacts.map((one) => [one.file, number(one.bytes) + ' bytes'])),
    ];
  }

  events(job) {
    return h(Loaded, {
      on: job.id + job.status, every: () => (isUnfinished(job) ? 2500 : 0), load: (signal) => all(path(job.id, 'events') + '?limit=100', MOST_EVENTS, { signal }),
      view: (list) => (list.length === 0 ? h('p', { class: 'empty' }, 'No events yet.') : table(
        'Events, the newest first', [['when', ''], ['level', ''], ['message', '']],
        list.map((event) => h('tr', { key: event.id, class: 'event ' + event.level }, h('td', null, h(When, { at: event.created_at })), h('td', null, event.level), h('td', { class: 'text' }, event.message))))),
    });
  }

  checkpoints(job) {
    return h(Loaded, {
      on: job.id + job.status, every: () => (isUnfinished(job) ? 5000 : 0), load: (signal) => all(path(job.id, 'checkpoints') + '?limit=100', MOST_EVENTS, { signal }),
      view: (list) => (list.length === 0 ? h('p', { class: 'empty' }, 'No checkpoints are kept.') : table(
        'Checkpoints', [['step', 'n'], ['model', ''], ['made', ''], ['metrics', ''], ['', '']],
        list.map((one) => h('tr', { key: one.id },
          h('td', { class: 'n' }, number(one.step_number)), h('td', { class: 'text' }, h(Id, { value: one.fine_tuned_model_checkpoint })), h('td', null, h(When, { at: one.created_at })),
          h('td', null, Object.entries(one.metrics || {}).filter(([name, value]) => name !== 'step' && value !== null).map(([name, value]) => name.replaceAll('_', ' ') + ' ' + number(value)).join(', ')),
          h('td', null, one.fine_tuned_model_checkpoint && h('a', { href: link('playground', one.fine_tuned_model_checkpoint) }, 'try')))))),
    });
  }

  body(tab, { job, run }) {
    const curves = [{ id: job.id, name: jobName(job), slot: 0, curves: this.live.of(job.id) }];
    const views = {
      curves: () => [
        h('label', { class: 'inline' }, h('input', { type: 'checkbox', checked: this.state.smooth, onChange: (event) => this.setState({ smooth: event.target.checked }) }), 'smooth training curves'),
        this.live.of(job.id).size === 0 ? h('p', { class: 'empty' }, isUnfinished(job) ? 'The curves begin with the first step.' : 'There are no curves of this job.')
          : h(Charts, { runs: curves, prefixes: ['train/', 'eval/', 'test/'], axis: 'step', smooth: this.state.smooth }),
      ],
      system: () => h(Charts, { runs: curves, prefixes: ['system/'], axis: 'second', smooth: false }),
      results: () => this.results(run, job),
      data: () => (run && run.data_report ? dataReport(run.data_report) : h('p', { class: 'empty' }, 'The data were not read yet.')),
      events: () => this.events(job),
      checkpoints: () => this.checkpoints(job),
      settings: () => this.settings(run, job),
    };
    return views[tab]();
  }

  render({ id, tab }) {
    const shownTab = TABS.some(([name]) => name === tab) ? tab : 'curves';
    return h(Loaded, {
      on: id, every: (value) => (value && !isUnfinished(value.job) ? 0 : 2500), load: (signal) => this.load(signal),
      view: (value, reload) => [
        h('p', { class: 'back' }, h('a', { href: link('jobs') }, '← Jobs')),
        h('h1', { tabIndex: -1, class: 'breaks' }, jobName(value.job)),
        h('p', { class: 'soft breaks' }, method(value.job) + ' of ' + value.job.model, ' · created ', h(When, { at: value.job.created_at }),
          value.run && ' · ' + duration(value.run.seconds), value.job.trained_tokens ? ' · ' + number(value.job.trained_tokens) + ' tokens' : '',
          value.job.estimated_finish && isUnfinished(value.job) ? [' · done ', h(When, { at: value.job.estimated_finish })] : '',
          value.job.fine_tuned_model && [' · ', h(Id, { value: value.job.fine_tuned_model })]),
        this.head(value, reload),
        h(Tabs, { id: 'job', label: 'What is shown of the job', tabs: TABS, selected: shownTab, onSelect: (name) => history.replaceState(null, '', link('jobs', id, name)) || dispatchEvent(new HashChangeEvent('hashchange')) },
          this.body(shownTab, value)),
      ],
    });
  }
}
