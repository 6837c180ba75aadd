'use strict';
/** The list of prompts: 50 at a time, narrowed by words, genre and level. */
(() => {
  const { state } = tunebench;
  const SIZE = 50;
  const field = (id) => document.getElementById(id);
  const rows = [...field('prompts').tBodies[0].rows];
  const words = rows.map((row) => row.cells[1].textContent.toLowerCase());
  const names = ['search', 'genre', 'level'];

  function show(wanted) {
    for (const name of names) if (field(name).value !== (wanted.get(name) ?? '')) field(name).value = wanted.get(name) ?? '';
    const [search, genre, level] = names.map((name) => field(name).value);
    const asked = search.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = rows.filter((row, place) => (
      (!genre || row.dataset.genre === genre) && (!level || row.dataset.level === level)
      && asked.every((word) => words[place].includes(word))
    ));
    const pages = Math.max(1, Math.ceil(fits.length / SIZE));
    const page = Math.min(pages, Math.max(1, Number(wanted.get('page')) || 1));
    const first = (page - 1) * SIZE;
    const shown = new Set(fits.slice(first, first + SIZE));
    for (const row of rows) row.hidden = !shown.has(row);
    const count = fits.length === 1 ? '1 prompt' : `${fits.length} prompts`;
    field('found').textContent = pages > 1 ? `${first + 1}–${first + shown.size} of ${count}` : count;
    field('previous').hidden = field('next').hidden = pages === 1;
    field('previous').disabled = page === 1;
    field('next').disabled = page === pages;
    turn = (step) => go({ page: page + step === 1 ? null : page + step });
  }

  let turn;
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
