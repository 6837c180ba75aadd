'use strict';
/**
 * Tables of the same rows, with other columns each, sort together. A header cell that holds a sort button has the name
 * of its column in `data-sort`, a row its place in `data-model`; cells without a value stay last.
 */
tunebench.sort = (() => {
  const collator = new Intl.Collator('en', { numeric: true });

  function compare(a, b, sign) {
    if (a === '' || b === '') return (a === '') - (b === '');
    const numbers = Number(a) - Number(b);
    return sign * (Number.isNaN(numbers) ? collator.compare(a, b) : numbers);
  }

  const heads = (tables) => tables.flatMap((table) => [...table.tHead.rows[0].cells].filter((cell) => cell.dataset.sort));

  /** Sort by the column of this name; direction is "ascending" or "descending". False where there is no such column. */
  function apply(tables, name, direction) {
    const head = heads(tables).find((cell) => cell.dataset.sort === name);
    if (!head) return false;
    const sign = direction === 'ascending' ? 1 : -1;
    const key = (row) => row.cells[head.cellIndex].dataset.value ?? row.cells[head.cellIndex].textContent.trim();
    const rows = [...head.closest('table').tBodies[0].rows].map((row) => [key(row), row.dataset.model]);
    rows.sort(([a], [b]) => compare(a, b, sign));
    for (const table of tables) {
      const own = new Map([...table.tBodies[0].rows].map((row) => [row.dataset.model, row]));
      table.tBodies[0].append(...rows.map(([, model]) => own.get(model)));
    }
    for (const cell of heads(tables)) cell.setAttribute('aria-sort', cell.dataset.sort === name ? direction : 'none');
    return true;
  }

  /** A first click sorts the better way, a second one the other way; `done` is told. */
  function enable(tables, done) {
    for (const cell of heads(tables)) {
      cell.querySelector('button').addEventListener('click', () => {
        const now = cell.getAttribute('aria-sort');
        const first = cell.dataset.first ?? 'ascending';
        const other = first === 'ascending' ? 'descending' : 'ascending';
        const direction = now === first ? other : first;
        apply(tables, cell.dataset.sort, direction);
        done(cell.dataset.sort, direction);
      });
    }
  }

  return { apply, enable };
})();
