// The console: one page over the server's HTTP API.
import { h, render, Component } from './lib/preact.js';
import { THEME_EVENT } from './chart.js';
import { key, onRefused, useKey } from './api.js';
import { jobs } from './live.js';
import { CompareView, JobsView } from './jobs.js';
import { JobView } from './job.js';
import { NewJobView } from './newjob.js';
import { FilesView } from './files.js';
import { ModelsView } from './models.js';
import { PlaygroundView } from './playground.js';
import { KeysView } from './keys.js';
import { MachineView } from './machine.js';
import { link } from './widgets.js';

const VIEWS = [['jobs', 'Jobs'], ['files', 'Files'], ['models', 'Models'], ['playground', 'Playground'], ['keys', 'Keys'], ['machine', 'Machine']];
const THEMES = { system: 'as the system', light: 'light', dark: 'dark' };

/** Where the address leads: its steps after #/. */
function route() {
  const steps = location.hash.replace(/^#\/?/, '').split('/').map((step) => {
    try {
      return decodeURIComponent(step);
    } catch (e) {
      return step;
    }
  });
  return VIEWS.some(([id]) => id === steps[0]) ? steps : ['jobs'];
}

function view([name, first, second]) {
  if (name === 'jobs') {
    return first === 'new' ? h(NewJobView, { file: second }) : first === 'compare' && second ? h(CompareView, { ids: second })
      : first ? h(JobView, { key: first, id: first, tab: second }) : h(JobsView);
  }
  return {
    files: () => h(FilesView), models: () => h(ModelsView), playground: () => h(PlaygroundView, { first, second }), keys: () => h(KeysView), machine: () => h(MachineView),
  }[name]();
}

/** The look of the page: the system's, or a chosen one. */
class Theme extends Component {
  constructor() {
    super();
    this.state = { theme: document.documentElement.dataset.theme || 'system' };
  }

  choose(theme) {
    if (theme === 'system') {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem('attune-theme');
    } else {
      document.documentElement.dataset.theme = theme;
      localStorage.setItem('attune-theme', theme);
    }
    document.dispatchEvent(new Event(THEME_EVENT));
    this.setState({ theme });
  }

  render(props, { theme }) {
    return h('label', { class: 'theme' }, h('span', { class: 'soft' }, 'Look'),
      h('select', { value: theme, onChange: (event) => this.choose(event.target.value) }, Object.entries(THEMES).map(([id, name]) => h('option', { key: id, value: id }, name))));
  }
}

/** Asks for the key that the server wants. props: message, onKey */
class KeyForm extends Component {
  use(event) {
    event.preventDefault();
    const value = new FormData(event.target).get('key').trim();
    if (value) {
      this.props.onKey(value);
    }
  }

  render({ message }) {
    return h('form', { class: 'card key-form', onSubmit: (event) => this.use(event) },
      h('h1', { tabIndex: -1 }, 'An API key is needed'),
      h('p', { role: 'alert' }, message),
      h('label', { class: 'field' }, 'API key', h('input', { name: 'key', type: 'password', autocomplete: 'off', spellcheck: false, required: true, autoFocus: true }),
        h('small', null, 'It is kept until this tab is closed. attune keys create makes one.')),
      h('button', { type: 'submit' }, 'Open the console'));
  }
}

class App extends Component {
  constructor() {
    super();
    this.state = { steps: route(), refused: null };
    onRefused((message) => this.setState({ refused: message }));
  }

  componentDidMount() {
    addEventListener('hashchange', () => {
      const before = this.state.steps;
      this.setState({ steps: route() }, () => {
        if (before.slice(0, 2).join('/') !== this.state.steps.slice(0, 2).join('/') && before[0] + this.state.steps[0] !== 'playgroundplayground') {
          this.arrive();
        }
      });
    });
    this.name();
  }

  /** Another view: who listens hears its name. */
  arrive() {
    this.name();
    scrollTo(0, 0);
    const title = document.querySelector('main h1');
    if (title) {
      title.focus({ preventScroll: true });
    }
  }

  name() {
    document.title = VIEWS.find(([id]) => id === this.state.steps[0])[1] + ' · Attune';
  }

  use(value) {
    useKey(value);
    jobs.clear();
    this.setState({ refused: null });
  }

  render(props, { steps, refused }) {
    const current = steps[0];
    return [
      h('a', { class: 'skip', href: '#main', onClick: (event) => { event.preventDefault(); document.getElementById('main').focus(); } }, 'Skip to the content'),
      h('header', { class: 'top' },
        h('a', { class: 'brand', href: link('jobs') }, 'Attune'),
        h('nav', { 'aria-label': 'console' }, h('ul', null, VIEWS.map(([id, name]) =>
          h('li', { key: id }, h('a', { href: link(id), 'aria-current': id === current ? 'page' : null }, name))))),
        h('div', { class: 'side' }, h(Theme),
          key() && h('button', { type: 'button', class: 'small secondary outline', onClick: () => { useKey(null); jobs.clear(); this.setState({ refused: 'The key was forgotten; give one to go on.' }); } }, 'Forget the key'))),
      h('main', { id: 'main', tabIndex: -1 }, refused !== null ? h(KeyForm, { message: refused, onKey: (value) => this.use(value) }) : view(steps)),
      h('div', { id: 'said', class: 'unseen', role: 'status', 'aria-live': 'polite' }),
    ];
  }
}

const app = document.getElementById('app');
app.replaceChildren();
render(h(App), app);
