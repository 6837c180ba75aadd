'use strict';
/** Marks what scrolls sideways and has more at its right, so that it can fade there. */
(() => {
  const mark = (box) => box.classList.toggle('more', box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
  const observer = new ResizeObserver((entries) => entries.forEach(({ target }) => mark(target.closest('.scroll'))));
  for (const box of document.querySelectorAll('.scroll')) {
    box.addEventListener('scroll', () => mark(box), { passive: true });
    observer.observe(box);
    observer.observe(box.firstElementChild);
  }
})();
