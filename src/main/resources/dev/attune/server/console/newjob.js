// A new job: what is asked for, and what its data are like before it starts.
import { h, Component } from './lib/preact.js';
import { dataReport } from './tables.js';
import { bytes } from './text.js';
import { all, get, post } from './api.js';
import { jobs } from './live.js';
import { announce, Field, go, Loaded, Problem, Select } from './widgets.js';
import { Upload } from './upload.js';

const MOST_FILES = 1000;
const NUMBERS = { n_epochs: 'Epochs', batch_size: 'Batch size', learning_rate_multiplier: 'Learning rate factor' };

/** A JSON value where it is one; else a text. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (e) {
    return text;
  }
}

export class NewJobView extends Component {
  constructor(props) {
    super(props);
    this.state = {
      model: '', method: 'supervised', task: 'causal-lm', training: props.file || '', validation: '', suffix: '', seed: '',
      n_epochs: '', batch_size: '', learning_rate_multiplier: '', more: [], report: null, reading: false, problem: null, wrong: null, starting: false,
    };
  }

  componentWillUnmount() {
    this.stop();
  }

  stop() {
    if (this.reading) {
      this.reading.abort();
    }
  }

  set(change) {
    this.setState(change, () => this.look());
  }

  /** What the server is asked for, for the report as for the job. */
  body() {
    const { model, method, task, training, validation, suffix, seed, more } = this.state;
    const hyperparameters = {};
    Object.keys(NUMBERS).filter((name) => this.state[name] !== '').forEach((name) => { hyperparameters[name] = Number(this.state[name]); });
    const attune = {};
    if (method === 'supervised') {
      attune.task = task;
    }
    more.filter(([name]) => name.trim() !== '').forEach(([name, value]) => { attune[name.trim()] = parsed(value); });
    return {
      model, training_file: training, method: { type: method, [method]: { hyperparameters } },
      ...(validation && { validation_file: validation }), ...(suffix && { suffix }), ...(seed !== '' && { seed: Number(seed) }),
      ...(Object.keys(attune).length > 0 && { attune }),
    };
  }

  /** Asks for the report on the data, where there are any to report on. */
  async look() {
    this.stop();
    clearTimeout(this.timer);
    if (!this.state.model || !this.state.training) {
      this.setState({ report: null, problem: null, reading: false });
      return;
    }
    const reading = new AbortController();
    this.reading = reading;
    this.setState({ reading: true });
    this.timer = setTimeout(async () => { // who types a number has not ended yet
      try {
        const report = await post('/v1/attune/data_report', this.body(), { signal: reading.signal });
        if (!reading.signal.aborted) {
          this.setState({ report, problem: null, reading: false });
          announce('The data report is there');
        }
      } catch (problem) {
        if (!reading.signal.aborted) {
          this.setState({ report: null, problem, reading: false });
        }
      }
    }, 400);
  }

  async start(event) {
    event.preventDefault();
    this.setState({ starting: true, wrong: null });
    try {
      const job = await post('/v1/fine_tuning/jobs', this.body());
      jobs.take([job]);
      go('jobs', job.id);
    } catch (wrong) {
      this.setState({ starting: false, wrong });
    }
  }

  more() {
    const { more } = this.state;
    const change = (i, at, value) => this.set({ more: more.map((pair, k) => (k === i ? pair.map((old, j) => (j === at ? value : old)) : pair)) });
    return h('details', null, h('summary', null, 'More options'),
      h('p', { class: 'soft' }, 'Any option of attune train by its name, such as lora_r, precision or eval_steps; priority too.'),
      more.map(([name, value], i) => h('div', { key: i, class: 'pair' },
        h('input', { 'aria-label': 'name of option ' + (i + 1), placeholder: 'lora_r', value: name, onInput: (event) => change(i, 0, event.target.value) }),
        h('input', { 'aria-label': 'value of option ' + (i + 1), placeholder: '8', value, onInput: (event) => change(i, 1, event.target.value) }),
        h('button', { type: 'button', class: 'small secondary outline', 'aria-label': 'Remove option ' + (i + 1), onClick: () => this.set({ more: more.filter((pair, k) => k !== i) }) }, '×'))),
      h('button', { type: 'button', class: 'small secondary outline', onClick: () => this.setState({ more: [...more, ['', '']] }) }, 'Add an option'));
  }

  form({ models, files, tasks }, reload) {
    const { model, method, task, training, validation, suffix, seed, wrong, starting } = this.state;
    const choices = (none) => [['', none], ...files.map((file) => [file.id, file.filename + ' · ' + bytes(file.bytes)])];
    return h('form', { onSubmit: (event) => this.start(event) },
      h(Select, { label: 'Base model', value: model, required: true, options: [['', 'choose one'], ...models.map((one) => [one.id, one.id])], onChange: (value) => this.set({ model: value }) }),
      h('div', { class: 'two' },
        h(Select, { label: 'Method', value: method, options: [['supervised', 'supervised'], ['dpo', 'preferences (DPO)']], onChange: (value) => this.set({ method: value }) }),
        method === 'supervised' && h(Select, { label: 'Task', value: task, options: tasks.map((name) => [name, name]), onChange: (value) => this.set({ task: value }) })),
      h(Select, { label: 'Training file', value: training, required: true, options: choices('choose one'), onChange: (value) => this.set({ training: value }) }),
      h(Upload, { onUploaded: (file) => { reload(); this.set(this.state.training ? { validation: file.id } : { training: file.id }); } }),
      h(Select, { label: 'Validation file', value: validation, options: choices('none'), onChange: (value) => this.set({ validation: value }) }),
      h(Field, { label: 'Suffix', help: 'a part of the name of the model that is made' }, h('input', { value: suffix, maxLength: 64, pattern: '[A-Za-z0-9._\\-]+', title: 'letters, digits, dots, dashes, underscores', onInput: (event) => this.setState({ suffix: event.target.value }) })),
      h('div', { class: 'two' },
        Object.entries(NUMBERS).map(([name, label]) => h(Field, { key: name, label }, h('input', {
          type: 'number', min: 0, step: name === 'batch_size' ? 1 : 'any', placeholder: 'auto', value: this.state[name], onInput: (event) => this.setState({ [name]: event.target.value }),
        }))),
        h(Field, { label: 'Seed' }, h('input', { type: 'number', min: 0, step: 1, placeholder: 'auto', value: seed, onInput: (event) => this.setState({ seed: event.target.value }) }))),
      this.more(),
      h(Problem, { error: wrong }),
      h('button', { type: 'submit', disabled: starting, 'aria-busy': starting ? 'true' : null }, 'Start the job'));
  }

  report() {
    const { report, reading, problem, training, model } = this.state;
    return h('section', { class: 'card', 'aria-label': 'data report' },
      h('h2', null, 'Data report'),
      reading && h('p', { class: 'soft', 'aria-busy': 'true' }, 'Reading the data …'),
      !reading && !report && !problem && h('p', { class: 'soft' }, training && !model ? 'Choose a base model: its tokens are counted.' : 'Choose a base model and a training file: what is in the data is said here, before anything is trained.'),
      !reading && h(Problem, { error: problem }),
      !reading && report && dataReport(report));
  }

  async load(signal) {
    const [models, files, tasks] = await Promise.all([get('/v1/models?checkpoints=true', { signal }), all('/v1/files?limit=1000', MOST_FILES, { signal }), get('/v1/attune/tasks', { signal })]);
    return { models: models.data, files: files.filter((file) => file.purpose !== 'fine-tune-results'), tasks: tasks.data };
  }

  render() {
    return [
      h('div', { class: 'head' }, h('h1', { tabIndex: -1 }, 'New job')),
      h(Loaded, {
        load: (signal) => this.load(signal),
        view: (value, reload) => h('div', { class: 'beside' }, this.form(value, reload), this.report()),
      }),
    ];
  }
}
