'use strict';
/** The leaderboard: which prompts it is of, which metrics it shows, and how it is sorted. */
(() => {
  const { charts, intervals, load, sort, state } = tunebench;
  const data = tunebench.data();
  const tables = [...document.querySelectorAll('#board table')];
  const group = document.getElementById('group');
  const boxes = [...document.querySelectorAll('input[name=metric]')];
  const said = document.getElementById('said');
  const missing = document.getElementById('missing');
  const percent = (place) => `${place ?? 0}%`;

  /** Write one model's estimate into its cell. */
  function fill(cell, [value, , , text, spread, count, note, low, middle, high], whole) {
    cell.dataset.value = value ?? '';
    cell.querySelector('.value').textContent = text;
    cell.querySelector('.spread').textContent = spread;
    cell.querySelector('.count').textContent = count;
    cell.querySelector('.why').textContent = note;
    // Ranks are tested over all prompts only.
    cell.querySelector('.rank').hidden = !whole;
    cell.classList.toggle('part', !whole);
    const [, whisker] = cell.querySelectorAll('line');
    whisker.setAttribute('x1', percent(low));
    whisker.setAttribute('x2', percent(high));
    cell.querySelector('circle').setAttribute('cx', middle === null ? '-20%' : percent(middle));
  }

  function fillBoard(shown, whole) {
    for (const table of tables) {
      for (const row of table.tBodies[0].rows) {
        for (const cell of row.querySelectorAll('td')) fill(cell, shown.rows[row.dataset.model][cell.dataset.metric], whole);
      }
      [...table.tFoot.rows].forEach((row, limit) => {
        const cells = [...row.querySelectorAll('td')];
        for (const cell of cells) cell.textContent = shown.limits[limit][cell.dataset.metric];
        row.hidden = cells.every((cell) => cell.textContent === '–');
      });
    }
  }

  function drawIntervals(shown) {
    for (const figure of document.querySelectorAll('#intervals figure')) {
      const metric = Number(figure.dataset.metric);
      const column = data.columns[metric];
      const own = data.models.map((name, model) => {
        const [value, low, high, text, spread] = shown.rows[model][metric];
        return { name, value, low, high, text: `${name}: ${text} ${spread}` };
      });
      const label = `Means and intervals on ${column.ref}; the table above holds the numbers`;
      charts.draw(figure.querySelector('.chart'), (width) => intervals.chart(width, own, shown.chance[metric], label));
    }
  }

  function showMetrics(hidden) {
    boxes.forEach((box) => { box.checked = !hidden.has(box.value); });
    document.querySelectorAll('[data-metric]').forEach((part) => { part.hidden = hidden.has(part.dataset.metric); });
    for (const table of tables) {
      const heads = [...table.tHead.querySelectorAll('[data-metric]')];
      table.closest('.scroll').hidden = heads.length > 0 && heads.every((head) => head.hidden);
    }
  }

  /** What is shown of a choice: where its file is missing, all prompts and why. */
  async function estimates(chosen) {
    if (chosen.value === '0') return [chosen, data.all, ''];
    try {
      return [chosen, await load(`groups/${chosen.value}`), ''];
    } catch (problem) {
      return [group.options[0], data.all, `${problem.message}: these are all prompts.`];
    }
  }

  let turn = 0;
  let drawn = null;
  async function show(wanted) {
    const mine = ++turn;
    const asked = [...group.options].find((option) => option.value === wanted.get('group')) ?? group.options[0];
    asked.selected = true;
    missing.textContent = '';
    showMetrics(new Set((wanted.get('hide') ?? '').split(' ').filter(Boolean)));
    if (drawn !== asked.value) {
      const [chosen, shown, problem] = await estimates(asked);
      if (mine !== turn) return;
      const whole = chosen.value === '0';
      chosen.selected = true;
      missing.textContent = problem;
      drawn = chosen.value;
      fillBoard(shown, whole);
      drawIntervals(shown);
      document.getElementById('drawn-group').textContent = whole ? 'all prompts' : chosen.textContent;
      said.textContent = `Showing ${chosen.textContent}`;
    }
    const [place, direction] = (wanted.get('sort') ?? '').split(' ');
    if (/^(a|de)scending$/.test(direction)) sort.apply(tables, place, direction);
  }

  document.getElementById('filters').addEventListener('change', () => {
    const hidden = boxes.filter((box) => !box.checked).map((box) => box.value);
    state.write({ group: group.value === '0' ? null : group.value, hide: hidden.join(' ') });
    show(state.read());
  });
  document.getElementById('filters').addEventListener('submit', (event) => event.preventDefault());
  sort.enable(tables, (place, direction) => {
    state.write({ sort: `${place} ${direction}` });
    const name = place === '0' ? 'model' : data.columns[place - 1].ref;
    said.textContent = `Sorted by ${name}, ${direction}`;
  });
  state.follow(show);
})();
