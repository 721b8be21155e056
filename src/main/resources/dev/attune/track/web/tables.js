// What is known of a run, as tables.
import { h } from './lib/preact.js';
import { number, shown } from './text.js';

const MOST_MISTAKES = 20;
const MOST_CLASSES = 20;

/** A table with its caption; columns are [name, class]. */
export function table(caption, columns, rows, note, kind) {
  return h('div', { class: 'scroll' }, h('table', { class: kind },
    h('caption', null, caption, note && h('span', { class: 'soft' }, ' ' + note)),
    h('thead', null, h('tr', null, columns.map(([name, kind], i) =>
      h('th', { key: i, scope: 'col', class: kind }, name || h('span', { class: 'unseen' }, 'name'))))),
    h('tbody', null, rows)));
}

/** Names with their values. */
export function facts(caption, pairs) {
  return h('div', { class: 'scroll' }, h('table', { class: 'facts' },
    h('caption', null, caption),
    h('tbody', null, pairs.map(([name, value]) =>
      h('tr', { key: name }, h('th', { scope: 'row' }, name), h('td', { class: 'text' }, value))))));
}

/**
 * What runs have beside each other.
 * @param runs [{ id, name, slot, values: object }]
 * @param all whether equal values are shown too
 */
export function differences(caption, runs, all) {
  const names = [];
  runs.forEach(({ values }) => Object.keys(values).forEach((name) => names.includes(name) || names.push(name)));
  const rows = names.filter((name) => all || runs.some(({ values }) => shown(values[name]) !== shown(runs[0].values[name])));
  if (rows.length === 0) {
    return h('section', null, h('h2', null, caption), h('p', { class: 'soft' }, 'nothing differs'));
  }
  return table(
    caption,
    [['', ''], ...runs.map(({ name, slot }) => [h('span', { class: 'key k' + slot }, name), all ? 'n' : ''])],
    rows.map((name) => h('tr', { key: name }, h('th', { scope: 'row' }, name), runs.map(({ id, values }) => {
      const value = values[name];
      return h('td', { key: id, class: all ? 'n' : 'text' }, value === undefined ? '' : all ? number(value) : shown(value));
    }))));
}

/** A cell that is darker the larger its share, 0 to 1. */
export function heat(share, text, key) {
  return h('td', { key, class: 'cell', style: { background: 'rgba(var(--heat),' + (0.5 * share).toFixed(2) + ')' } }, text);
}

export function confusion(matrix) {
  return table(
    'Confusion matrix, ' + matrix.split + ' data',
    [['label', ''], ...matrix.labels.map((name) => [name, 'n'])],
    matrix.counts.map((counts, i) => {
      const sum = counts.reduce((a, b) => a + b, 0) || 1;
      return h('tr', { key: i }, h('th', { scope: 'row' }, matrix.labels[i]), counts.map((count, k) => heat(count / sum, number(count), k)));
    }),
    'a row for each label, a column for each prediction',
    'matrix');
}

export function mistakes(worst) {
  return table(
    'Worst mistakes, ' + worst.split + ' data',
    [['row', ''], ['label', ''], ['predicted', ''], ['probability', 'n'], ['text', '']],
    worst.worst.slice(0, MOST_MISTAKES).map((one, i) => h('tr', { key: i },
      h('td', null, one.place), h('td', null, one.gold), h('td', null, one.predicted),
      h('td', { class: 'n' }, one.probability === undefined ? '' : number(one.probability)),
      h('td', { class: 'text' }, one.text))),
    worst.wrong + ' of ' + worst.compared + ' rows wrong; the worst by ' + worst.worst_by);
}

export function findings(list) {
  return h('ul', { class: 'findings' }, list.map((finding, i) => h('li', { key: i, class: 'finding ' + (finding.severity || '').toLowerCase() },
    h('b', null, (finding.severity || 'note').toLowerCase()), ' ', finding.split ? finding.split + ': ' : '', finding.message)));
}

export function dataReport(report) {
  return [
    table(
      'Data for ' + report.task,
      [['split', ''], ['rows', 'n'], ['tokens', 'n'], ['median', 'n'], ['longest', 'n'], ['cut', 'n'], ['labels', '']],
      Object.entries(report.splits).map(([name, split]) => h('tr', { key: name },
        h('th', { scope: 'row' }, name), h('td', { class: 'n' }, number(split.rows)), h('td', { class: 'n' }, number(split.tokens)),
        h('td', { class: 'n' }, number((split.length || {}).p50)), h('td', { class: 'n' }, number((split.length || {}).max)),
        h('td', { class: 'n' }, number(split.truncated_rows)),
        h('td', { class: 'text' }, Object.entries(split.class_counts || {}).slice(0, MOST_CLASSES).map((e) => e.join(' ')).join(', '))))),
    findings(report.findings),
  ];
}
