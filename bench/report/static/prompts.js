'use strict';
/** The list of prompts: 50 at a time, narrowed by words, genre, level and score, and ordered by a score or a difference. */
(() => {
  const { figures, load, state } = tunebench;
  const { metrics, models } = tunebench.data();
  const SIZE = 50;
  const field = (id) => document.getElementById(id);
  const body = field('prompts').tBodies[0];
  const rows = [...body.rows];
  const words = new Map(rows.map((row) => [row, `${row.cells[1].textContent} ${row.cells[2].textContent}`.toLowerCase()]));
  const names = ['search', 'genre', 'level', 'metric', 'model', 'less', 'order', 'from', 'to'];

  const ORDERS = {
    low: (a, b) => a - b,
    high: (a, b) => b - a,
    far: (a, b) => Math.abs(b) - Math.abs(a),
  };

  /** By row, the chosen model's score or what it is more than another model's; null where there is none. */
  async function scores() {
    if (field('metric').value === '') return null;
    const values = await load(`metrics/${field('metric').value}`);
    const own = values[field('model').value];
    const other = field('less').value === '' ? null : values[field('less').value];
    return new Map(rows.map((row, prompt) => {
      const [a, b] = [own[prompt] ?? null, other ? other[prompt] ?? null : 0];
      return [row, a === null || b === null ? null : a - b];
    }));
  }

  const within = (value) => {
    const [low, high] = ['from', 'to'].map((id) => (field(id).value === '' ? null : field(id).valueAsNumber));
    if (low === null && high === null) return true;
    return value !== null && (low === null || value >= low) && (high === null || value <= high);
  };

  function fitting(found) {
    const [search, genre, level] = ['search', 'genre', 'level'].map((name) => field(name).value);
    const asked = search.toLowerCase().split(/\s+/).filter(Boolean);
    return rows.filter((row) => (
      (!genre || row.dataset.genre === genre) && (!level || row.dataset.level === level)
      && asked.every((word) => words.get(row).includes(word)) && (!found || within(found.get(row)))
    ));
  }

  /** Prompts without a value stay last, in the order of the suite. */
  function ordered(fits, found) {
    const compare = ORDERS[field('order').value];
    if (!found || !compare) return fits;
    return [...fits].sort((one, two) => {
      const [a, b] = [found.get(one), found.get(two)];
      if (a === null || b === null) return (a === null) - (b === null);
      return compare(a, b);
    });
  }

  function write(found) {
    const known = found ? [...found.values()].filter((value) => value !== null) : [];
    const places = figures.decimals(Math.max(0, ...known.map(Math.abs)) / 10);
    const signed = field('less').value !== '';
    for (const row of rows) {
      const cell = row.querySelector('.score');
      cell.hidden = !found;
      if (found) cell.textContent = signed ? figures.signed(found.get(row), places) : figures.number(found.get(row), places);
    }
    const head = field('score-head');
    head.hidden = !found;
    document.querySelectorAll('.of-score').forEach((one) => { one.hidden = !found; });
    if (!found) return;
    const { ref, unit } = metrics[field('metric').selectedIndex - 1];
    const of = signed ? `${models[field('model').value]} − ${models[field('less').value]}` : models[field('model').value];
    head.textContent = `${ref}${unit ? ` (${unit})` : ''}, ${of}`;
  }

  let turn;
  let latest = 0;
  async function show(wanted) {
    const mine = ++latest;
    for (const name of names) if (field(name).value !== (wanted.get(name) ?? '')) field(name).value = wanted.get(name) ?? '';
    // A select that was asked for what it does not have would stand empty.
    for (const name of names) if (field(name).selectedIndex === -1) field(name).selectedIndex = 0;
    field('model').selectedIndex = Math.max(0, field('model').selectedIndex);
    let found = null;
    field('problem').textContent = '';
    try {
      found = await scores();
    } catch (problem) {
      field('problem').textContent = `${problem.message}: scores cannot be shown.`;
    }
    if (mine !== latest) return;
    const fits = ordered(fitting(found), found);
    const pages = Math.max(1, Math.ceil(fits.length / SIZE));
    const page = Math.min(pages, Math.max(1, Number(wanted.get('page')) || 1));
    const first = (page - 1) * SIZE;
    const shown = new Set(fits.slice(first, first + SIZE));
    const fit = new Set(fits);
    for (const row of rows) {
      row.hidden = !fit.has(row);
      // Other pages of the list are on paper, too.
      row.classList.toggle('later', fit.has(row) && !shown.has(row));
    }
    body.append(...fits);
    write(found);
    const count = fits.length === 1 ? '1 prompt' : `${fits.length} prompts`;
    field('found').textContent = pages > 1 ? `${first + 1}–${first + shown.size} of ${count}` : count;
    field('previous').hidden = field('next').hidden = pages === 1;
    field('previous').disabled = page === 1;
    field('next').disabled = page === pages;
    turn = (step) => go({ page: page + step === 1 ? null : page + step });
  }

  function go(changes) {
    state.write(changes);
    show(state.read());
  }
  const narrow = () => go({ ...Object.fromEntries(names.map((name) => [name, field(name).value])), page: null });
  field('filters').addEventListener('input', narrow);
  field('filters').addEventListener('submit', (event) => event.preventDefault());
  field('previous').addEventListener('click', () => turn(-1));
  field('next').addEventListener('click', () => turn(1));
  state.follow(show);
})();
