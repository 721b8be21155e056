// Parts of which the views are made.
import { h, Component } from './lib/preact.js';

// --- what is said aloud

/** Says something to those who listen to the page. */
export function announce(text) {
  const region = document.getElementById('said');
  if (region) {
    region.textContent = text;
  }
}

// --- names and times

const AGO = [[60, 'second', 1], [3600, 'minute', 60], [86400, 'hour', 3600], [86400 * 30, 'day', 86400], [86400 * 365, 'month', 86400 * 30], [Infinity, 'year', 86400 * 365]];

/** A time in seconds since 1970, as how long ago that is. */
export function When({ at }) {
  if (!at) {
    return '–';
  }
  const date = new Date(at * 1000);
  const seconds = (date - Date.now()) / 1000;
  const [, unit, length] = AGO.find(([most]) => Math.abs(seconds) < most);
  const text = Math.abs(seconds) < 5 ? 'now' : new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(Math.trunc(seconds / length), unit);
  return h('time', { dateTime: date.toISOString(), title: date.toLocaleString() }, text);
}

export function Status({ value }) {
  return h('span', { class: 'status ' + value }, value.replaceAll('_', ' '));
}

/** An id in small letters, which breaks anywhere. */
export function Id({ value }) {
  return h('code', { class: 'id' }, value);
}

// --- what went wrong, and what is not there yet

export function Problem({ error }) {
  return error ? h('p', { class: 'problem', role: 'alert' }, error.message) : null;
}

/**
 * Shows what a promise gives, asked for again every so often while the page is seen.
 * props: load(signal), every(value): milliseconds, 0 for never; on (what it depends on), view(value, reload)
 */
export class Loaded extends Component {
  constructor(props) {
    super(props);
    this.state = { value: null, error: null };
    this.reload = () => this.load();
    this.onSeen = () => !document.hidden && this.every() > 0 && this.load();
  }

  componentDidMount() {
    document.addEventListener('visibilitychange', this.onSeen);
    this.load();
  }

  componentDidUpdate(before) {
    if (before.on !== this.props.on) {
      this.setState({ value: null, error: null });
      this.load();
    }
  }

  componentWillUnmount() {
    document.removeEventListener('visibilitychange', this.onSeen);
    clearTimeout(this.timer);
    this.gone = true;
    if (this.stop) {
      this.stop.abort();
    }
  }

  every() {
    return this.props.every ? this.props.every(this.state.value) : 0;
  }

  async load() {
    clearTimeout(this.timer);
    if (this.stop) {
      this.stop.abort();
    }
    const stop = new AbortController();
    this.stop = stop;
    try {
      const value = await this.props.load(stop.signal);
      if (!stop.signal.aborted) {
        this.setState({ value, error: null });
      }
    } catch (error) {
      if (!stop.signal.aborted) {
        this.setState({ error });
      }
    }
    if (!stop.signal.aborted && !this.gone && this.every() > 0) {
      this.timer = setTimeout(() => (document.hidden ? null : this.load()), this.every());
    }
  }

  render({ view }, { value, error }) {
    if (value === null) {
      return error ? h(Problem, { error }) : h('p', { class: 'empty', 'aria-busy': 'true' }, 'Loading …');
    }
    return [error && h(Problem, { error }), view(value, this.reload)];
  }
}

// --- controls

/** A button that does what takes a while: it waits for it, and says what went wrong. */
export class Action extends Component {
  async run() {
    this.setState({ busy: true, error: null });
    try {
      await this.props.run();
      this.setState({ busy: false });
    } catch (error) {
      this.setState({ busy: false, error });
    }
  }

  render({ children, class: kind, label, disabled }, { busy, error }) {
    return h('span', { class: 'action' },
      h('button', { type: 'button', class: kind, 'aria-label': label, 'aria-busy': busy ? 'true' : null, disabled: busy || disabled, onClick: () => this.run() }, children),
      h(Problem, { error }));
  }
}

export function Field({ label, help, children, wide }) {
  return h('label', { class: wide ? 'field wide' : 'field' }, label, children, help && h('small', null, help));
}

export function Select({ label, help, value, options, onChange, required }) {
  return h(Field, { label, help },
    h('select', { value, required, onChange: (event) => onChange(event.target.value) },
      options.map(([id, name]) => h('option', { key: id, value: id }, name))));
}

/** Tabs: arrow keys, Home and End go from one to another. props: id, label, tabs: [[id, name]], selected, onSelect, children */
export function Tabs({ id: group, label, tabs, selected, onSelect, children }) {
  const ids = tabs.map(([id]) => id);
  const onKeyDown = (event) => {
    const at = ids.indexOf(selected);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: ids.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      const next = ids[(to + ids.length) % ids.length];
      onSelect(next);
      document.getElementById(group + '-' + next).focus();
    }
  };
  return [
    h('div', { class: 'tabs', role: 'tablist', 'aria-label': label, onKeyDown }, tabs.map(([id, name]) => h('button', {
      key: id, id: group + '-' + id, type: 'button', role: 'tab', 'aria-selected': String(id === selected), 'aria-controls': group + '-panel',
      tabIndex: id === selected ? 0 : -1, onClick: () => onSelect(id),
    }, name))),
    h('div', { class: 'panel', id: group + '-panel', role: 'tabpanel', 'aria-labelledby': group + '-' + selected, tabIndex: 0 }, children),
  ];
}

/** A window over the page, which Esc closes. */
export class Dialog extends Component {
  componentDidMount() {
    this.base.showModal();
  }

  componentWillUnmount() {
    this.base.close(); // which gives the focus back
  }

  render({ title, onClose, children, wide }) {
    return h('dialog', { 'aria-labelledby': 'dialog-title', onCancel: (event) => { event.preventDefault(); onClose(); } },
      h('article', { class: wide ? 'wide' : '' },
        h('header', null, h('button', { type: 'button', class: 'close', rel: 'prev', 'aria-label': 'Close', onClick: onClose }), h('h2', { id: 'dialog-title' }, title)),
        children));
  }
}

/** Asks before something is done that cannot be undone. props: title, text, verb, run, onClose */
export function Confirm({ title, text, verb, run, onClose }) {
  return h(Dialog, { title, onClose },
    h('p', { class: 'breaks' }, text),
    h('footer', null,
      h('button', { type: 'button', class: 'secondary outline', onClick: onClose }, 'Keep'),
      h(Action, { class: 'danger', run: async () => { await run(); onClose(); } }, verb)));
}

/** A part that is full so far. */
export function Meter({ label, share, text }) {
  return h('div', { class: 'meter' },
    h('div', { class: 'line' }, h('span', null, label), h('span', { class: 'soft' }, text)),
    h('progress', { 'aria-label': label, value: Math.max(0, Math.min(1, share || 0)), max: 1 }));
}

/** Where to go; what is shown there has an address of its own. */
export function link(...steps) {
  return '#/' + steps.map(encodeURIComponent).join('/');
}

export function go(...steps) {
  location.hash = link(...steps);
}
