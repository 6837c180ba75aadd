'use strict';
/**
 * Tables whose header cells hold a button sort by that column; cells without a value stay last. Several tables of the
 * same rows, with other columns each, sort together: their header cells have the name of the column in `data-sort`, by
 * itself its place, and their rows a mark in `data-model`.
 */
tunebench.sort = (() => {
  const collator = new Intl.Collator('en', { numeric: true });

  function compare(a, b, sign) {
    if (a === '' || b === '') return (a === '') - (b === '');
    const numbers = Number(a) - Number(b);
    return sign * (Number.isNaN(numbers) ? collator.compare(a, b) : numbers);
  }

  const listed = (tables) => (tables instanceof HTMLTableElement ? [tables] : tables);
  const heads = (tables) => tables.flatMap((table) => [...table.tHead.rows[0].cells].filter((cell) => cell.hasAttribute('aria-sort')));
  const named = (cell) => cell.dataset.sort ?? String(cell.cellIndex);
  const mark = (row) => row.dataset.model ?? row;

  /** Sort by the column of this name; direction is "ascending" or "descending". False where there is no such column. */
  function apply(together, name, direction) {
    const tables = listed(together);
    const head = heads(tables).find((cell) => named(cell) === name);
    if (!head) return false;
    const sign = direction === 'ascending' ? 1 : -1;
    const key = (row) => row.cells[head.cellIndex].dataset.value ?? row.cells[head.cellIndex].textContent.trim();
    const rows = [...head.closest('table').tBodies[0].rows].map((row) => [key(row), mark(row)]);
    rows.sort(([a], [b]) => compare(a, b, sign));
    for (const table of tables) {
      const own = new Map([...table.tBodies[0].rows].map((row) => [mark(row), row]));
      table.tBodies[0].append(...rows.map(([, one]) => own.get(one)));
    }
    for (const cell of heads(tables)) cell.setAttribute('aria-sort', named(cell) === name ? direction : 'none');
    return true;
  }

  /** A first click sorts the better way, a second one the other way; `done` is told. */
  function enable(together, done) {
    const tables = listed(together);
    for (const cell of heads(tables)) {
      cell.querySelector('button').addEventListener('click', () => {
        const now = cell.getAttribute('aria-sort');
        const first = cell.dataset.first ?? 'ascending';
        const other = first === 'ascending' ? 'descending' : 'ascending';
        const direction = now === first ? other : first;
        apply(tables, named(cell), direction);
        done(named(cell), direction);
      });
    }
  }

  return { apply, enable };
})();
