// Curves: one chart a series, one line a run.
import { h, Component } from './lib/preact.js';
import uPlot from './lib/uplot.js';
import { number } from './text.js';

const SMOOTHING = 0.9;

/** Tells charts that their colours are others now. */
export const THEME_EVENT = 'attune-theme';

/** How many runs have colours that can be told apart. */
export const COLOURS = 6;

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

/** A line in words, for those who do not see it. */
function described({ name, data: [xs, values] }, axis) {
  const known = values.map((value, i) => [xs[i], value]).filter(([, value]) => value !== null);
  if (known.length === 0) {
    return name + ': nothing yet';
  }
  const [first, last] = [known[0], known[known.length - 1]];
  const lowest = known.reduce((a, b) => (b[1] < a[1] ? b : a));
  const highest = known.reduce((a, b) => (b[1] > a[1] ? b : a));
  const at = ([x, value]) => number(value) + ' at ' + axis + ' ' + number(x);
  return name + ': ' + (known.length === 1 ? at(first)
    : 'from ' + at(first) + ' to ' + at(last) + '; lowest ' + at(lowest) + ', highest ' + at(highest));
}

class Plot extends Component {
  componentDidMount() {
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.base);
    this.theme = matchMedia('(prefers-color-scheme: dark)');
    this.onTheme = () => this.make();
    this.theme.addEventListener('change', this.onTheme);
    document.addEventListener(THEME_EVENT, this.onTheme);
    this.make();
  }

  componentWillUnmount() {
    this.observer.disconnect();
    this.theme.removeEventListener('change', this.onTheme);
    document.removeEventListener(THEME_EVENT, this.onTheme);
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
    const size = parseFloat(style.fontSize); // charts grow with the page's letters
    const grid = { stroke: style.getPropertyValue('--grid').trim(), width: 1 };
    const tick = style.getPropertyValue('--tick').trim();
    const axis = { stroke: tick, grid, ticks: { show: false }, font: Math.round(0.75 * size) + 'px system-ui, sans-serif' };
    this.plot = new uPlot(
      {
        width: this.base.clientWidth || 320,
        height: Math.round(13 * size),
        scales: { x: { time: false } },
        cursor: { sync: { key: this.props.axis } },
        legend: { live: true },
        axes: [
          { ...axis, size: Math.round(1.9 * size) },
          { ...axis, size: Math.round(3.8 * size), values: (u, ticks) => ticks.map((value) => number(value)) },
        ],
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
    return h('div', { class: 'plot', 'aria-hidden': 'true' });
  }
}

/**
 * A figure of lines, with the same in words.
 * @param props title, axis, smooth, series: [{ id, name, slot, data: [[x, …], [value, …]] }]
 */
export function Chart({ title, axis, smooth, series }) {
  return h('figure', { class: 'chart' },
    h('figcaption', null, title),
    h('p', { class: 'unseen' }, series.map((one) => described(one, axis)).join('. ')),
    h(Plot, { axis, smooth, series }));
}

/**
 * Charts of all series of some runs whose names begin so.
 * @param runs [{ id, name, slot, curves: Map of series to [[x, …], [value, …]] }]
 */
export function Charts({ runs, prefixes, axis, smooth }) {
  const names = [];
  for (const { curves } of runs) {
    for (const name of curves.keys()) {
      if (prefixes.some((prefix) => name.startsWith(prefix)) && name !== 'train/epoch' && !names.includes(name)) {
        names.push(name);
      }
    }
  }
  const order = (name) => (name === 'train/loss' ? 0 : name === 'eval/loss' ? 1 : name.startsWith('eval/') ? 2 : 3);
  names.sort((a, b) => order(a) - order(b));
  return h('div', { class: 'charts' }, names.map((name) => h(Chart, {
    key: name,
    title: name,
    axis,
    smooth: smooth && name.startsWith('train/'),
    series: runs
      .filter(({ curves }) => curves.has(name))
      .map((run) => ({ id: run.id, name: run.name, slot: run.slot, data: run.curves.get(name) })),
  })));
}

/** Adds points that a server sent to a run's curves. */
export function extended(curves, { series, reset, points }) {
  const kept = reset || !curves.has(series) ? [[], []] : curves.get(series);
  for (const [x, value] of points) {
    kept[0].push(x);
    kept[1].push(value);
  }
  curves.set(series, [kept[0], kept[1]]); // another array: a chart sees that it has changed
}
