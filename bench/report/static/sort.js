'use strict';
/** Tables whose header cells hold a button sort by that column; cells without a value stay last. */
tunebench.sort = (() => {
  const collator = new Intl.Collator('en', { numeric: true });

  function compare(a, b, sign) {
    if (a === '' || b === '') return (a === '') - (b === '');
    const numbers = Number(a) - Number(b);
    return sign * (Number.isNaN(numbers) ? collator.compare(a, b) : numbers);
  }

  /** Sort by the column at this place; direction is "ascending" or "descending". */
  function apply(table, place, direction) {
    const body = table.tBodies[0];
    const sign = direction === 'ascending' ? 1 : -1;
    const key = (row) => row.cells[place].dataset.value ?? row.cells[place].textContent.trim();
    const rows = [...body.rows].map((row) => [key(row), row]);
    rows.sort(([a], [b]) => compare(a, b, sign));
    body.append(...rows.map(([, row]) => row));
    [...table.tHead.rows[0].cells].forEach((cell, index) => {
      if (cell.hasAttribute('aria-sort')) cell.setAttribute('aria-sort', index === place ? direction : 'none');
    });
  }

  /** A first click sorts the better way, a second one the other way; `done` is told. */
  function enable(table, done) {
    [...table.tHead.rows[0].cells].forEach((cell, place) => {
      cell.querySelector('button')?.addEventListener('click', () => {
        const now = cell.getAttribute('aria-sort');
        const first = cell.dataset.first ?? 'ascending';
        const other = first === 'ascending' ? 'descending' : 'ascending';
        const direction = now === first ? other : first;
        apply(table, place, direction);
        done(place, direction);
      });
    });
  }

  return { apply, enable };
})();
