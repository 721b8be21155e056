// What must hold of a page whatever it shows: for people who see it, hear it, or have no mouse.

const NAMED_ROLES = new Set(['button', 'link', 'textbox', 'searchbox', 'combobox', 'checkbox', 'tab', 'spinbutton', 'progressbar', 'table', 'dialog', 'navigation', 'tabpanel']);
const LEAST_CONTRAST = 4.5;
const LEAST_CONTRAST_LARGE = 3;

/** Notes what a page must not do: errors, but for those that are expected, requests to other hosts. */
export function watched(page, origin, problems, expected) {
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !expected.test(message.text())) {
      problems.push('console: ' + message.text());
    }
  });
  page.on('pageerror', (error) => problems.push('page error: ' + error.stack));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(origin + '/') && !url.startsWith('data:') && !url.startsWith('blob:')) {
      problems.push('a request to elsewhere: ' + url);
    }
  });
  page.on('dialog', (dialog) => {
    problems.push('a script of the data ran: ' + dialog.message());
    dialog.dismiss();
  });
}

/** Names of controls, tables and landmarks, as assistive technology is told them. */
async function names(page, where) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  await session.detach();
  const problems = [];
  const roles = nodes.filter((node) => !node.ignored && node.role).map((node) => node.role.value);
  for (const node of nodes) {
    const role = node.role && node.role.value;
    if (!node.ignored && NAMED_ROLES.has(role) && !(node.name && node.name.value.trim())) {
      problems.push(where + ': a ' + role + ' without a name');
    }
  }
  for (const landmark of ['main', 'navigation', 'banner']) {
    const count = roles.filter((role) => role === landmark).length;
    const hidden = roles.includes('dialog'); // a window over the page hides what is behind it
    if (count !== 1 && !hidden) {
      problems.push(where + ': ' + count + ' landmarks ' + landmark);
    }
  }
  return problems;
}

/** Headings, width, contrast of all texts, and whether anything of the data has run. */
function seenOf({ where, least, leastLarge }) {
  const problems = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    const wide = [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > root.clientWidth + 1 && !one.closest('.scroll, .u-wrap, dialog')).slice(0, 3);
    problems.push(where + ': wider than the screen, ' + root.scrollWidth + ' of ' + root.clientWidth + ': ' + wide.map((one) => one.tagName + '.' + one.className).join(', '));
  }
  const titles = document.querySelectorAll('main h1').length;
  if (titles !== 1) {
    problems.push(where + ': ' + titles + ' titles');
  }
  if (window.hacked) {
    problems.push(where + ': a script of the data ran');
  }
  const painter = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    painter.clearRect(0, 0, 1, 1);
    painter.fillStyle = colour;
    painter.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = painter.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1];
  const ground = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      const colour = rgba(getComputedStyle(one).backgroundColor);
      layers.push(colour);
      if (colour[3] === 1) {
        break;
      }
    }
    return layers.reduceRight((under, layer) => over(layer, under), [255, 255, 255, 1]);
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((part) => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const pale = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const style = getComputedStyle(element);
    const shown = walker.currentNode.textContent.trim() && element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })
      && !element.closest('.unseen, noscript, script, :disabled, option') && !(element.closest('.skip') && document.activeElement !== element);
    if (shown) {
      const under = ground(element);
      const [a, b] = [light(over(rgba(style.color), under)), light(under)].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      const size = parseFloat(style.fontSize);
      const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (isLarge ? leastLarge : least)) {
        pale.add(element.tagName + '.' + element.className + ' "' + walker.currentNode.textContent.trim().slice(0, 30) + '" ' + ratio.toFixed(2));
      }
    }
  }
  pale.forEach((one) => problems.push(where + ': too little contrast: ' + one));
  return problems;
}

/** All of it. */
export async function checked(page, where) {
  const looked = await page.evaluate(seenOf, { where, least: LEAST_CONTRAST, leastLarge: LEAST_CONTRAST_LARGE });
  return [...await names(page, where), ...looked];
}
