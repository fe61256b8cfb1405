'use strict';
// Tables: a click on a head sorts by its column.
for (const table of document.querySelectorAll('table')) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') !== 'descending';
      for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const value = row => {
        const cell = row.cells[column];
        return 'v' in cell.dataset ? Number(cell.dataset.v) : cell.textContent;
      };
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        return typeof x === 'number' ? x - y : x.localeCompare(y);
      });
      body.append(...(down ? rows.reverse() : rows));
    });
  });
}

// The flame graph.
const data = JSON.parse(document.getElementById('frames').textContent);
const frames = data.frames.map(([parent, name, count, own, retained, growth], at) =>
  ({ at, parent, name: data.names[name], count, own, retained, growth, children: [] }));
frames.forEach(frame => { if (frame.at > 0) frames[frame.parent].children.push(frame); });
frames.forEach(frame => frame.children.sort((a, b) => b.retained - a.retained));
const graph = document.getElementById('graph');
const detail = document.getElementById('detail');
const search = document.getElementById('search');
const found = document.getElementById('found');
let zoomed = frames[0];
let wanted = null;

function size(bytes) {
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  if (Math.abs(bytes) < 1024) return `${bytes} bytes`;
  let unit = -1;
  while (Math.abs(bytes) >= 1023.95 && unit < 3) { bytes /= 1024; unit++; }
  return `${bytes.toFixed(1)} ${units[unit]}`;
}

function describe(frame) {
  const share = (100 * frame.retained / Math.max(1, frames[0].retained)).toFixed(1);
  const grew = data.compared && frame.growth !== 0
    ? `, ${frame.growth > 0 ? 'grew' : 'shrank'} by ${size(Math.abs(frame.growth))}` : '';
  const many = frame.count > 1 ? `${frame.count.toLocaleString('en')} × ` : '';
  return `${many}${frame.name}: retains ${size(frame.retained)} (${share}%), own ${size(frame.own)}${grew}`;
}

function colour(frame) {
  if (data.compared) {
    const part = Math.min(1, Math.abs(frame.growth) / Math.max(1, frame.retained));
    const light = 88 - 33 * part;
    return frame.growth > 0 ? `hsl(6 75% ${light}%)` : frame.growth < 0 ? `hsl(210 60% ${light}%)` : 'hsl(40 15% 85%)';
  }
  let hash = 0;
  for (const c of frame.name.replace(/[^\w.]/g, '').split('.')[0]) hash = (hash * 31 + c.charCodeAt(0)) % 360;
  return `hsl(${hash} 55% 76%)`;
}

function draw(focus) {
  const row = 22, width = graph.clientWidth, boxes = [];
  // What holds the frame that is zoomed in on is as wide as that.
  const above = [];
  for (let frame = zoomed; ; frame = frames[frame.parent]) { above.unshift(frame); if (frame.at === 0) break; }
  above.forEach((frame, depth) => boxes.push([frame, 0, width, depth]));
  const open = [[zoomed, 0, width, above.length]];
  while (open.length) {
    const [frame, left, room, depth] = open.pop();
    let x = left;
    for (const child of frame.children) {
      const w = room * child.retained / Math.max(1, frame.retained);
      if (w < 1.5) break;
      boxes.push([child, x, w, depth]);
      open.push([child, x, w, depth + 1]);
      x += w;
    }
  }
  const deepest = boxes.reduce((most, box) => Math.max(most, box[3]), 0);
  graph.style.height = `${(deepest + 1) * row + 2}px`;
  let hits = 0;
  graph.replaceChildren(...boxes.map(([frame, left, room, depth]) => {
    const box = document.createElement('div');
    box.className = 'f';
    box.tabIndex = 0;
    box.role = 'button';
    box.style.cssText = `left:${left}px;top:${depth * row}px;width:${room}px;background:${colour(frame)}`;
    if (room > 30) box.textContent = frame.count > 1 ? `${frame.name} ×${frame.count.toLocaleString('en')}` : frame.name;
    const text = describe(frame);
    box.title = text;
    box.setAttribute('aria-label', text);
    if (wanted) {
      const hit = frame.name.toLowerCase().includes(wanted);
      box.classList.add(hit ? 'hit' : 'dim');
      hits += hit;
    }
    const show = () => { detail.textContent = text; };
    box.addEventListener('mouseenter', show);
    box.addEventListener('focus', show);
    const zoom = () => { zoomed = frame; draw(true); };
    box.addEventListener('click', zoom);
    box.addEventListener('keydown', event => {
      if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); zoom(); }
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (step) {
        event.preventDefault();
        const all = [...graph.children];
        all[Math.min(all.length - 1, Math.max(0, all.indexOf(box) + step))].focus();
      }
    });
    if (frame === zoomed && focus) queueMicrotask(() => box.focus());
    return box;
  }));
  found.textContent = wanted ? `${hits} found` : '';
}

search.addEventListener('input', () => { wanted = search.value.toLowerCase() || null; draw(false); });
document.getElementById('reset').addEventListener('click', () => { zoomed = frames[0]; draw(false); });
graph.addEventListener('keydown', event => {
  if (event.key === 'Escape' && zoomed.at > 0) { zoomed = frames[zoomed.parent]; draw(true); }
});
addEventListener('resize', () => draw(false));
for (const element of [graph, detail, search.closest('.tools')]) element.hidden = false;
document.getElementById('list').open = false;
draw(false);
detail.textContent = describe(frames[0]);
