// The board's page: what the server sends is kept here and drawn again whenever it changes.
import { h, render, Component } from '/lib/preact.js';
import uPlot from '/lib/uplot.js';

const MOST_RUNS = 6; // colours that can be told apart
const SMOOTHING = 0.9;

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
    } else if (state.slots.length < MOST_RUNS) {
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
    const curves = state.curves.get(run);
    const kept = reset || !curves.has(series) ? [[], []] : curves.get(series);
    for (const [x, value] of points) {
      kept[0].push(x);
      kept[1].push(value);
    }
    curves.set(series, [kept[0], kept[1]]); // another array: a chart sees that it has changed
    draw();
  });
}

/** The runs that the address names; else the newest. */
function choose() {
  const named = location.hash.slice(1).split(',').filter((id) => state.runs.some((run) => run.id === id));
  state.slots = named.length > 0 ? named.slice(0, MOST_RUNS) : state.runs.slice(0, 1).map((run) => run.id);
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

function number(value) {
  if (value === null || value === undefined || Number.isNaN(Number(value))) {
    return '–';
  }
  const n = Number(value);
  if (Number.isInteger(n)) {
    return n.toLocaleString('en');
  }
  return Math.abs(n) < 1e-3 ? n.toExponential(2) : String(Number(n.toPrecision(4)));
}

function duration(seconds) {
  const s = Math.round(seconds);
  if (s >= 3600) {
    return Math.floor(s / 3600) + ' h ' + Math.floor((s % 3600) / 60) + ' min';
  }
  return s >= 60 ? Math.floor(s / 60) + ' min ' + (s % 60) + ' s' : s + ' s';
}

function results(run) {
  for (const prefix of ['test/', 'eval/', 'train/']) {
    const names = Object.keys(run.last).filter((name) => name.startsWith(prefix) && (prefix !== 'train/' || name === 'train/loss'));
    if (names.length > 0) {
      return names.slice(0, 2).map((name) => name + ' ' + number(run.last[name])).join(' · ');
    }
  }
  return '';
}

// --- charts

function colour(slot) {
  return getComputedStyle(document.documentElement).getPropertyValue('--c' + slot).trim();
}

function smoothed(values) {
  let mean = null;
  return values.map((value) => {
    if (value !== null) {
      mean = mean === null ? value : SMOOTHING * mean + (1 - SMOOTHING) * value;
    }
    return value === null ? null : mean;
  });
}

class Chart extends Component {
  componentDidMount() {
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.base);
    this.theme = matchMedia('(prefers-color-scheme: dark)');
    this.onTheme = () => this.make();
    this.theme.addEventListener('change', this.onTheme);
    this.make();
  }

  componentWillUnmount() {
    this.observer.disconnect();
    this.theme.removeEventListener('change', this.onTheme);
    this.plot.destroy();
  }

  shouldComponentUpdate(next) {
    const same = next.series.length === this.props.series.length
      && next.smooth === this.props.smooth
      && next.series.every((one, i) => one.id === this.props.series[i].id && one.slot === this.props.series[i].slot);
    const changed = !same || next.series.some((one, i) => one.data !== this.props.series[i].data);
    this.props = next;
    if (!same) {
      this.make();
    } else if (changed) {
      this.plot.setData(this.data());
    }
    return false;
  }

  data() {
    const { series, smooth } = this.props;
    return uPlot.join(series.map(({ data }) => [data[0], smooth ? smoothed(data[1]) : data[1]]));
  }

  resize() {
    const width = this.base.clientWidth;
    if (this.plot && width > 0 && width !== this.plot.width) {
      this.plot.setSize({ width, height: this.plot.height });
    }
  }

  make() {
    if (this.plot) {
      this.plot.destroy();
    }
    const style = getComputedStyle(document.documentElement);
    const grid = { stroke: style.getPropertyValue('--grid').trim(), width: 1 };
    const tick = style.getPropertyValue('--tick').trim();
    const axis = { stroke: tick, grid, ticks: { show: false }, font: '11px system-ui, sans-serif' };
    this.plot = new uPlot(
      {
        width: this.base.clientWidth || 320,
        height: 200,
        scales: { x: { time: false } },
        cursor: { sync: { key: this.props.axis } },
        legend: { live: true },
        axes: [{ ...axis, size: 28 }, { ...axis, size: 56, values: (u, ticks) => ticks.map((value) => number(value)) }],
        series: [
          { label: this.props.axis },
          ...this.props.series.map((one) => ({
            label: one.name,
            stroke: colour(one.slot),
            width: 2,
            spanGaps: true,
            points: { show: one.data[0].length < 40, size: 5 },
            value: (u, value) => number(value),
          })),
        ],
      },
      this.data(),
      this.base,
    );
  }

  render() {
    return h('div', { class: 'plot' });
  }
}

function charts(prefixes, axis) {
  const chosen = selected();
  const names = [];
  for (const { run } of chosen) {
    for (const name of (state.curves.get(run.id) || new Map()).keys()) {
      if (prefixes.some((prefix) => name.startsWith(prefix)) && name !== 'train/epoch' && !names.includes(name)) {
        names.push(name);
      }
    }
  }
  const order = (name) => (name === 'train/loss' ? 0 : name === 'eval/loss' ? 1 : name.startsWith('eval/') ? 2 : 3);
  names.sort((a, b) => order(a) - order(b));
  return h('div', { class: 'charts' }, names.map((name) =>
    h('figure', { class: 'chart', key: name },
      h('figcaption', null, name),
      h(Chart, {
        axis,
        smooth: state.smooth && name.startsWith('train/'),
        series: chosen
          .filter(({ run }) => state.curves.get(run.id) && state.curves.get(run.id).has(name))
          .map(({ run, slot }) => ({ id: run.id, name: run.name + ' ' + run.id, slot, data: state.curves.get(run.id).get(name) })),
      }))));
}

// --- tables

function rows(pairs) {
  return h('div', { class: 'scroll' }, h('table', null, h('tbody', null, pairs.map(([name, value]) =>
    h('tr', { key: name }, h('td', null, name), h('td', { class: 'text' }, value))))));
}

function shown(value) {
  return value !== null && typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function comparison() {
  const chosen = selected();
  const table = (title, of, all) => {
    const names = [];
    chosen.forEach(({ run }) => Object.keys(of(run)).forEach((name) => names.includes(name) || names.push(name)));
    const differing = names.filter((name) => all || chosen.some(({ run }) => shown(of(run)[name]) !== shown(of(chosen[0].run)[name])));
    return [
      h('h2', null, title),
      differing.length === 0 ? h('p', { class: 'soft' }, 'nothing differs') : h('div', { class: 'scroll' }, h('table', null,
        h('thead', null, h('tr', null, h('th', null, ''), chosen.map(({ run, slot }) =>
          h('th', { key: run.id }, h('span', { class: 'key k' + slot }, run.name + ' ' + run.id))))),
        h('tbody', null, differing.map((name) => h('tr', { key: name }, h('td', null, name), chosen.map(({ run }) => {
          const value = of(run)[name];
          return h('td', { key: run.id, class: all ? 'n' : 'text' }, value === undefined ? '' : all ? number(value) : shown(value));
        })))))),
    ];
  };
  const facts = (run) => {
    const { config = {}, reproduction = {}, environment = {} } = details(run);
    return { ...config, ...(reproduction.fingerprints || {}), commit: (reproduction.git || {}).commit, backend: environment.backend };
  };
  return [...table('What differs', facts, false), ...table('Results', (run) => run.last, true)];
}

function confusion(matrix) {
  return [
    h('h2', null, 'Confusion matrix, ' + matrix.split + ' data'),
    h('p', { class: 'soft' }, 'a row for each label, a column for each prediction'),
    h('div', { class: 'scroll' }, h('table', { class: 'confusion' },
      h('thead', null, h('tr', null, h('th', null, ''), matrix.labels.map((name) => h('th', { class: 'n' }, name)))),
      h('tbody', null, matrix.counts.map((counts, i) => {
        const sum = counts.reduce((a, b) => a + b, 0) || 1;
        return h('tr', null, h('th', null, matrix.labels[i]), counts.map((count) =>
          h('td', { class: 'cell', style: { background: 'rgba(var(--heat),' + (0.75 * count / sum).toFixed(2) + ')' } }, count)));
      })))),
  ];
}

function mistakes(worst) {
  return [
    h('h2', null, 'Worst mistakes, ' + worst.split + ' data'),
    h('p', { class: 'soft' }, worst.wrong + ' of ' + worst.compared + ' rows wrong; the worst by ' + worst.worst_by),
    h('div', { class: 'scroll' }, h('table', null,
      h('thead', null, h('tr', null, ['row', 'label', 'predicted', 'probability', 'text'].map((name) => h('th', null, name)))),
      h('tbody', null, worst.worst.slice(0, 20).map((one) => h('tr', null,
        h('td', null, one.place), h('td', null, one.gold), h('td', null, one.predicted),
        h('td', { class: 'n' }, one.probability === undefined ? '' : number(one.probability)),
        h('td', { class: 'text' }, one.text)))))),
  ];
}

function data(report) {
  return [
    h('h2', null, 'Data'),
    h('div', { class: 'scroll' }, h('table', null,
      h('thead', null, h('tr', null, ['split', 'rows', 'tokens', 'median', 'longest', 'cut', 'labels'].map((name) => h('th', null, name)))),
      h('tbody', null, Object.entries(report.splits).map(([name, split]) => h('tr', null,
        h('td', null, name), h('td', { class: 'n' }, number(split.rows)), h('td', { class: 'n' }, number(split.tokens)),
        h('td', { class: 'n' }, number((split.length || {}).p50)), h('td', { class: 'n' }, number((split.length || {}).max)),
        h('td', { class: 'n' }, number(split.truncated_rows)),
        h('td', { class: 'text' }, Object.entries(split.class_counts || {}).slice(0, 20).map((e) => e.join(' ')).join(', '))))))),
    h('ul', null, report.findings.map((finding) => h('li', null, finding.split + ': ' + finding.message))),
  ];
}

function about() {
  return selected().map(({ run, slot }) => {
    const all = details(run);
    return h('section', { key: run.id },
      h('h2', null, h('span', { class: 'key k' + slot }, run.name + ' '), h('span', { class: 'status ' + run.status }, run.status)),
      h('p', { class: 'soft' }, run.task + ' of ' + run.model + ' · run ' + run.id + ' · ' + duration(run.seconds) + ' · step ' + number(run.step) + ' of ' + number(run.total_steps)),
      all.error && h('pre', null, all.error.message),
      all.findings && all.findings.length > 0 && [h('h2', null, 'What stands out'), h('ul', null, all.findings.map((one) => h('li', null, one.message)))],
      all.confusion && confusion(all.confusion),
      all.mistakes && all.mistakes.worst.length > 0 && mistakes(all.mistakes),
      all.data_report && data(all.data_report),
      all.reproduction && [h('h2', null, 'To do it again'), h('pre', null, all.reproduction.command)],
      all.environment && [h('h2', null, 'Machine'), rows(Object.entries(all.environment).map(([k, v]) => [k.replaceAll('_', ' '), shown(v)]))],
      all.artifacts && [h('h2', null, 'Files in ' + run.folder), rows(all.artifacts.map((one) => [one.file, number(one.bytes) + ' bytes']))]);
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
