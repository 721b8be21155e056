// Models answer: one, or two side by side.
import { h, Component } from './lib/preact.js';
import { heat, table } from './tables.js';
import { number } from './text.js';
import { get, post, streamed } from './api.js';
import { announce, Field, go, Loaded, Problem, Select, Tabs } from './widgets.js';

const KINDS = [['chat', 'Chat'], ['classify', 'Classify'], ['embed', 'Embed']];

function lines(text) {
  return text.split('\n').map((line) => line.trim()).filter((line) => line !== '');
}

function cosine(a, b) {
  let [dot, aa, bb] = [0, 0, 0];
  a.forEach((x, i) => {
    dot += x * b[i];
    aa += x * x;
    bb += b[i] * b[i];
  });
  return dot / (Math.sqrt(aa * bb) || 1);
}

/** What is said of a text in a word: labels or a number; entities stand below it. */
function judged(one) {
  if (one.entities) {
    return one.entities.length === 0 ? 'no entities' : '';
  }
  return one.value === undefined ? (one.labels || [one.label ?? '']).join(', ') : one.value.toFixed(3);
}

/** One model's answers. props: model, kind, asked: what was asked last, with its number */
class Answers extends Component {
  constructor() {
    super();
    this.state = { messages: [], result: null, error: null, busy: false, note: '' };
  }

  componentDidUpdate(before) {
    const { asked, model, kind } = this.props;
    if (before.model !== model || before.kind !== kind) {
      this.stop();
      this.setState({ messages: [], result: null, error: null, busy: false, note: '' });
    } else if (asked && asked !== before.asked) {
      this.ask(asked);
    }
    if (this.log) {
      this.log.scrollTop = this.log.scrollHeight;
    }
  }

  componentWillUnmount() {
    this.stop();
  }

  stop() {
    if (this.stopping) {
      this.stopping.abort();
    }
  }

  async ask(asked) {
    this.stop();
    if (asked.kind === 'clear') {
      this.setState({ messages: [], result: null, error: null, busy: false, note: '' });
      return;
    }
    if (asked.kind === 'stop') {
      this.setState({ busy: false });
      return;
    }
    const stopping = new AbortController();
    this.stopping = stopping;
    this.setState({ busy: true, error: null, note: '' });
    try {
      await this[asked.kind](asked, stopping.signal);
    } catch (error) {
      if (!stopping.signal.aborted) {
        this.setState({ error });
      }
    }
    if (this.stopping === stopping) {
      this.setState({ busy: false });
    }
  }

  async chat({ text, system, options }, signal) {
    const said = [...this.state.messages, { role: 'user', content: text }];
    this.setState({ messages: [...said, { role: 'assistant', content: '' }] });
    const began = performance.now();
    const messages = (system ? [{ role: 'system', content: system }] : []).concat(said);
    let answer = '';
    let finish = null;
    let usage = null;
    for await (const chunk of streamed('POST', '/v1/chat/completions', { json: { model: this.props.model, messages, stream: true, stream_options: { include_usage: true }, ...options }, signal })) {
      const choice = chunk.choices[0];
      answer += (choice && choice.delta.content) || '';
      finish = (choice && choice.finish_reason) || finish;
      usage = chunk.usage || usage;
      this.setState({ messages: [...said, { role: 'assistant', content: answer }] });
    }
    const seconds = (performance.now() - began) / 1000;
    this.setState({
      note: [finish, usage && usage.prompt_tokens + ' + ' + usage.completion_tokens + ' tokens', usage && number(usage.completion_tokens / seconds) + ' tokens/s'].filter(Boolean).join(' · '),
    });
    announce(this.props.model + ' answered: ' + answer);
  }

  async classify({ texts }, signal) {
    const answer = await post('/v1/classifications', { model: this.props.model, input: texts }, { signal });
    this.setState({ result: { texts, results: answer.results } });
    announce(this.props.model + ' classified ' + texts.length + ' texts');
  }

  async embed({ texts }, signal) {
    const answer = await post('/v1/embeddings', { model: this.props.model, input: texts, encoding_format: 'float' }, { signal });
    this.setState({ result: { texts, vectors: answer.data.map((one) => one.embedding) } });
    announce(this.props.model + ' embedded ' + texts.length + ' texts');
  }

  conversation({ messages, busy, note }) {
    return h('div', { class: 'log', tabIndex: 0, role: 'group', 'aria-label': 'conversation with ' + this.props.model, ref: (log) => { this.log = log; } },
      messages.length === 0 && h('p', { class: 'soft' }, 'Nothing was said yet.'),
      messages.map((message, i) => h('div', { key: i, class: 'message ' + message.role },
        h('b', { class: 'soft' }, message.role === 'user' ? 'you' : 'model'),
        h('div', { class: 'said' }, message.content, busy && i === messages.length - 1 && h('span', { class: 'caret', 'aria-hidden': 'true' })))),
      note && h('p', { class: 'soft' }, note));
  }

  classes({ result }) {
    return result && result.results && result.results.map((one, i) => h('section', { key: i, class: 'classified' },
      h('p', { class: 'breaks' }, h('b', null, judged(one)), ' ', h('span', { class: 'soft' }, result.texts[i])),
      (one.entities || []).map((entity, k) => h('p', { key: k, class: 'breaks' },
        h('b', null, entity.label), ' ', entity.text, ' ', h('span', { class: 'soft' }, entity.score.toFixed(3)))),
      Object.entries(one.scores || {}).sort((a, b) => b[1] - a[1]).slice(0, 10).map(([label, score]) => h('div', { key: label, class: 'score' },
        h('span', { class: 'breaks' }, label), h('progress', { 'aria-label': label, value: Math.max(0, Math.min(1, score)), max: 1 }), h('span', { class: 'n' }, score.toFixed(3))))));
  }

  similarities({ result }) {
    return result && result.vectors && [
      h('p', { class: 'soft' }, result.vectors[0].length + ' dimensions'),
      table('Cosine similarity', [['', ''], ...result.texts.map((text, i) => [i + 1, 'n'])],
        result.vectors.map((a, i) => h('tr', { key: i }, h('th', { scope: 'row', class: 'breaks' }, i + 1 + '. ' + result.texts[i]),
          result.vectors.map((b, k) => { const value = cosine(a, b); return heat(Math.max(0, value), value.toFixed(3), k); }))), null, 'matrix'),
    ];
  }

  render({ kind }, state) {
    return h('div', { 'aria-busy': state.busy ? 'true' : 'false', class: 'answers' },
      h(Problem, { error: state.error }),
      kind === 'chat' ? this.conversation(state) : kind === 'classify' ? this.classes(state) : this.similarities(state),
      kind !== 'chat' && !state.result && !state.error && h('p', { class: 'soft' }, state.busy ? 'Working …' : 'Nothing was asked yet.'));
  }
}

export class PlaygroundView extends Component {
  constructor() {
    super();
    this.state = { kind: 'chat', text: '', system: '', temperature: '', max_tokens: '256', top_p: '', seed: '', asked: null };
  }

  options() {
    const options = {};
    ['temperature', 'max_tokens', 'top_p', 'seed'].filter((name) => this.state[name] !== '').forEach((name) => { options[name] = Number(this.state[name]); });
    return options;
  }

  ask(event) {
    event.preventDefault();
    const { kind, text, system } = this.state;
    if (text.trim() !== '') {
      this.setState({ asked: { kind, text, system, options: this.options(), texts: lines(text) }, text: kind === 'chat' ? '' : text });
    }
  }

  composer() {
    const { kind, text, system } = this.state;
    const enter = (event) => {
      if (event.key === 'Enter' && !event.shiftKey && kind === 'chat' && !event.isComposing) {
        this.ask(event);
      }
    };
    const numeric = (name, step) => h(Field, { label: name.replaceAll('_', ' ') }, h('input', { type: 'number', step, min: 0, placeholder: 'usual', value: this.state[name], onInput: (event) => this.setState({ [name]: event.target.value }) }));
    return h('form', { class: 'composer', onSubmit: (event) => this.ask(event) },
      h(Field, { label: kind === 'chat' ? 'Your message' : 'Texts, one on a line', wide: true },
        h('textarea', { rows: kind === 'chat' ? 2 : 4, value: text, onInput: (event) => this.setState({ text: event.target.value }), onKeyDown: enter })),
      h('div', { class: 'buttons' },
        h('button', { type: 'submit', disabled: text.trim() === '' }, { chat: 'Send', classify: 'Classify', embed: 'Embed' }[kind]),
        kind === 'chat' && h('button', { type: 'button', class: 'secondary outline', onClick: () => this.setState({ asked: { kind: 'stop' } }) }, 'Stop'),
        h('button', { type: 'button', class: 'secondary outline', onClick: () => this.setState({ asked: { kind: 'clear' } }) }, 'Clear')),
      kind === 'chat' && h('details', null, h('summary', null, 'Settings'),
        h(Field, { label: 'System message', wide: true }, h('textarea', { rows: 2, value: system, onInput: (event) => this.setState({ system: event.target.value }) })),
        h('div', { class: 'two' }, numeric('temperature', 0.1), numeric('max_tokens', 1), numeric('top_p', 0.05), numeric('seed', 1))));
  }

  render({ first, second }, { kind, asked }) {
    return [
      h('div', { class: 'head' }, h('h1', { tabIndex: -1 }, 'Playground')),
      h(Loaded, {
        load: (signal) => get('/v1/models?checkpoints=true', { signal }),
        view: ({ data }) => {
          if (data.length === 0) {
            return h('p', { class: 'empty' }, 'There is no model to ask yet.');
          }
          const ids = data.map((model) => model.id);
          const known = (id) => (id && !ids.includes(id) ? [id, ...ids] : ids); // a checkpoint is not listed
          const [a, b] = [first || ids[0], second || ''];
          const column = (name, model, options, onChange) => h('section', { class: 'card column', 'aria-label': name },
            h(Select, { label: name, value: model, options, onChange }),
            model && h(Answers, { model, kind, asked }));
          return h(Tabs, { id: 'kind', label: 'What is asked', tabs: KINDS, selected: kind, onSelect: (value) => this.setState({ kind: value, asked: null }) },
            h('div', { class: b ? 'columns both' : 'columns' },
              column('Model', a, known(a).map((id) => [id, id]), (id) => go(...['playground', id, b].filter(Boolean))),
              column('Second model', b, [['', 'none'], ...known(b).map((id) => [id, id])], (id) => go(...['playground', a, id].filter(Boolean)))),
            this.composer());
        },
      }),
    ];
  }
}
