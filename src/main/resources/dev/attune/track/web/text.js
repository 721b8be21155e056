// Numbers and times as people read them.

export function number(value) {
  if (value === null || value === undefined || Number.isNaN(Number(value))) {
    return '–';
  }
  const n = Number(value);
  if (Number.isInteger(n)) {
    return n.toLocaleString('en');
  }
  return Math.abs(n) < 1e-3 ? n.toExponential(2) : String(Number(n.toPrecision(4)));
}

export function duration(seconds) {
  const s = Math.round(seconds);
  if (s >= 3600) {
    return Math.floor(s / 3600) + ' h ' + Math.floor((s % 3600) / 60) + ' min';
  }
  return s >= 60 ? Math.floor(s / 60) + ' min ' + (s % 60) + ' s' : s + ' s';
}

export function bytes(count) {
  if (count === null || count === undefined) {
    return '–';
  }
  let value = count;
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (value < 1024) {
      return (unit === 'B' ? value : value.toFixed(value < 10 ? 1 : 0)) + ' ' + unit;
    }
    value /= 1024;
  }
  return value.toFixed(value < 10 ? 1 : 0) + ' TiB';
}

/** What a document has in a place, on one line. */
export function shown(value) {
  return value !== null && typeof value === 'object' ? JSON.stringify(value) : String(value);
}
