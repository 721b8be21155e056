// The board's page: what the server sends is kept here and drawn again whenever it changes.
import { h, render, Component } from './lib/preact.js';
import { Charts, COLOURS, extended } from './chart.js';
import { confusion, dataReport, differences, facts, findings, mistakes } from './tables.js';
import { duration, number, shown } from './text.js';

const state = {
  runs: null, // null: not heard yet
  slots: [], // ids of the runs that are looked at; a place keeps its colour
  curves: new Map(), // by run, then series: [[x, ...], [value, ...]]
  details: new Map(), // by run: what /api/runs/ID says, and the status that it was asked at
  tab: 'curves',
  filter: '',
  smooth: false,
  connected: false,
};

let source = null;
let drawing = false;

function draw() {
  if (!drawing) {
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      render(h(Board), document.getElementById('board'));
    });
  }
}

function selected() {
  return state.slots.map((id, slot) => ({ slot, run: id && state.runs.find((run) => run.id === id) })).filter((one) => one.run);
}

function toggle(id) {
  const at = state.slots.indexOf(id);
  if (at >= 0) {
    state.slots[at] = null;
    state.curves.delete(id);
  } else {
    const free = state.slots.indexOf(null);
    if (free >= 0) {
      state.slots[free] = id;
    } else if (state.slots.length < COLOURS) {
      state.slots.push(id);
    } else {
      state.curves.delete(state.slots[0]);
      state.slots[0] = id;
    }
  }
  history.replaceState(null, '', '#' + state.slots.filter(Boolean).join(','));
  listen();
  draw();
}

function listen() {
  if (source) {
    source.close();
  }
  source = new EventSource('/api/events?runs=' + state.slots.filter(Boolean).join(','));
  source.onopen = () => { state.connected = true; draw(); };
  source.onerror = () => { state.connected = false; draw(); };
  source.addEventListener('runs', (event) => {
    const first = state.runs === null;
    state.runs = JSON.parse(event.data);
    if (first) {
      choose();
    }
    for (const { run } of selected()) {
      const known = state.details.get(run.id);
      if (!known || known.status !== run.status) {
        fetchDetails(run);
      }
    }
    draw();
  });
  source.addEventListener('points', (event) => {
    const { run, series, reset, points } = JSON.parse(event.data);
    if (!state.curves.has(run)) {
      state.curves.set(run, new Map());
    }
    extended(state.curves.get(run), { series, reset, points });
    draw();
  });
}

/** The runs that the address names; else the newest. */
function choose() {
  const named = location.hash.slice(1).split(',').filter((id) => state.runs.some((run) => run.id === id));
  state.slots = named.length > 0 ? named.slice(0, COLOURS) : state.runs.slice(0, 1).map((run) => run.id);
  if (state.slots.length > 0) {
    listen();
  }
}

function fetchDetails(run) {
  state.details.set(run.id, { status: run.status, json: (state.details.get(run.id) || {}).json });
  fetch('/api/runs/' + run.id)
    .then((answer) => (answer.ok ? answer.json() : null))
    .then((json) => {
      if (json) {
        state.details.set(run.id, { status: run.status, json });
        draw();
      }
    });
}

function details(run) {
  return (state.details.get(run.id) || {}).json || {};
}

// --- text

function results(run) {
  for (const prefix of ['test/', 'eval/', 'train/']) {
    const names = Object.keys(run.last).filter((name) => name.startsWith(prefix) && (prefix !== 'train/' || name === 'train/loss'));
    if (names.length > 0) {
      return names.slice(0, 2).map((name) => name + ' ' + number(run.last[name])).join(' · ');
    }
  }
  return '';
}

// --- what is shown of the runs that are looked at

function charts(prefixes, axis) {
  const runs = selected().map(({ run, slot }) => ({ id: run.id, name: run.name + ' ' + run.id, slot, curves: state.curves.get(run.id) || new Map() }));
  return h(Charts, { runs, prefixes, axis, smooth: state.smooth });
}

function comparison() {
  const beside = (of) => selected().map(({ run, slot }) => ({ id: run.id, name: run.name + ' ' + run.id, slot, values: of(run) }));
  const settings = (run) => {
    const { config = {}, reproduction = {}, environment = {} } = details(run);
    return { ...config, ...(reproduction.fingerprints || {}), commit: (reproduction.git || {}).commit, backend: environment.backend };
  };
  return [differences('What differs', beside(settings), false), differences('Results', beside((run) => run.last), true)];
}

function about() {
  return selected().map(({ run, slot }) => {
    const all = details(run);
    return h('section', { key: run.id },
      h('h2', null, h('span', { class: 'key k' + slot }, run.name + ' '), h('span', { class: 'status ' + run.status }, run.status)),
      h('p', { class: 'soft' }, run.task + ' of ' + run.model + ' · run ' + run.id + ' · ' + duration(run.seconds) + ' · step ' + number(run.step) + ' of ' + number(run.total_steps)),
      all.error && h('pre', null, all.error.message),
      all.findings && all.findings.length > 0 && [h('h2', null, 'What stands out'), findings(all.findings)],
      all.confusion && confusion(all.confusion),
      all.mistakes && all.mistakes.worst.length > 0 && mistakes(all.mistakes),
      all.data_report && dataReport(all.data_report),
      all.reproduction && [h('h2', null, 'To do it again'), h('pre', null, all.reproduction.command)],
      all.environment && facts('Machine', Object.entries(all.environment).map(([k, v]) => [k.replaceAll('_', ' '), shown(v)])),
      all.artifacts && facts('Files in ' + run.folder, all.artifacts.map((one) => [one.file, number(one.bytes) + ' bytes'])));
  });
}

// --- the page

function list() {
  const wanted = state.filter.toLowerCase();
  const found = state.runs.filter((run) => [run.id, run.name, run.status, run.task, run.model].join(' ').toLowerCase().includes(wanted));
  return h('nav', { class: 'runs', 'aria-label': 'runs' },
    h('input', {
      type: 'search', placeholder: 'filter: name, status, task, model', 'aria-label': 'filter runs', value: state.filter,
      onInput: (event) => { state.filter = event.target.value; draw(); },
    }),
    found.map((run) => {
      const slot = state.slots.indexOf(run.id);
      return h('button', {
        key: run.id, type: 'button', class: 'run' + (slot >= 0 ? ' k' + slot : ''), 'aria-pressed': String(slot >= 0), onClick: () => toggle(run.id),
      },
      h('span', { class: 'line' }, h('b', null, run.name), h('span', { class: 'status ' + run.status }, run.status)),
      h('span', { class: 'soft' }, run.id + ' · ' + new Date(run.created).toLocaleString() + ' · '
        + number(run.step) + (run.total_steps > run.step ? '/' + number(run.total_steps) : '') + ' steps'),
      h('span', { class: 'soft line' }, results(run)));
    }),
    found.length === 0 && h('p', { class: 'soft' }, 'no run like that'));
}

class Board extends Component {
  render() {
    if (state.runs === null) {
      return h('p', { class: 'empty' }, 'Loading runs …');
    }
    const chosen = selected();
    const tabs = { curves: 'Curves', system: 'System', compare: 'Compare', about: 'Details' };
    const body = {
      curves: () => charts(['train/', 'eval/'], 'step'),
      system: () => charts(['system/'], 'second'),
      compare: comparison,
      about,
    };
    return [
      h('header', { class: 'bar' },
        h('h1', null, 'Attune runs'),
        h('span', { class: 'soft' }, state.runs.length + (state.runs.length === 1 ? ' run, ' : ' runs, ')
          + state.runs.filter((run) => run.status === 'running').length + ' running'),
        h('span', { class: 'soft', role: 'status' }, state.connected ? 'live' : 'not connected: the board was stopped, or tries again')),
      list(),
      h('main', null,
        h('div', { class: 'tabs', role: 'tablist' }, Object.entries(tabs).map(([id, name]) => h('button', {
          key: id, type: 'button', role: 'tab', 'aria-selected': String(state.tab === id),
          class: state.tab === id ? '' : 'secondary outline', onClick: () => { state.tab = id; draw(); },
        }, name)),
        state.tab === 'curves' && h('label', { class: 'smooth' }, h('input', {
          type: 'checkbox', checked: state.smooth, onChange: (event) => { state.smooth = event.target.checked; draw(); },
        }), 'smooth training curves')),
        state.tab !== 'about' && h('div', { class: 'keys' }, chosen.map(({ run, slot }) =>
          h('span', { key: run.id, class: 'key k' + slot }, run.name + ' ' + run.id))),
        chosen.length === 0 ? h('p', { class: 'empty' }, state.runs.length === 0 ? 'No runs yet: attune train records them here.' : 'Choose a run, or several to compare.') : body[state.tab]()),
    ];
  }
}

listen();
