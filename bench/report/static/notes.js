'use strict';
/**
 * Notes that a "?" opens: by click, touch and keyboard through the browser's own popovers, beside it and also under the
 * mouse through this script.
 */
(() => {
  const GAP = 6;
  const WAIT = 150; // milliseconds until the mouse is taken to rest
  if (!HTMLElement.prototype.showPopover) return;

  const places = new WeakMap();

  function put(note, tip) {
    const place = tip.getBoundingClientRect();
    const left = Math.min(place.left, document.documentElement.clientWidth - note.offsetWidth - GAP);
    const below = place.bottom + GAP;
    const fits = below + note.offsetHeight < document.documentElement.clientHeight;
    places.set(note, { tip, top: place.top, left: place.left });
    Object.assign(note.style, { inset: 'auto', margin: '0' }); // without this script it opens in the middle
    note.style.left = `${Math.max(GAP, left)}px`;
    note.style.top = `${fits ? below : Math.max(GAP, place.top - GAP - note.offsetHeight)}px`;
  }

  for (const tip of document.querySelectorAll('.tip')) {
    const note = document.getElementById(tip.getAttribute('popovertarget'));
    let waiting = 0;
    let pinned = false;
    const open = () => note.matches(':popover-open');
    const leave = () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => { if (open() && !pinned && !note.matches(':hover')) note.hidePopover(); }, WAIT);
    };
    note.addEventListener('toggle', ({ newState }) => { if (newState === 'closed') pinned = false; });
    tip.addEventListener('click', (event) => {
      event.preventDefault();
      // What the mouse has opened, a click keeps open.
      const stays = !open() || !pinned;
      clearTimeout(waiting);
      if (!stays) note.hidePopover();
      else if (!open()) note.showPopover();
      if (stays) put(note, tip);
      pinned = stays;
    });
    tip.addEventListener('pointerenter', ({ pointerType }) => {
      if (pointerType !== 'mouse') return;
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        if (open()) return;
        note.showPopover();
        put(note, tip);
      }, WAIT);
    });
    tip.addEventListener('pointerleave', leave);
    note.addEventListener('pointerleave', leave);
  }
  // A note stands where its button was.
  document.addEventListener('scroll', () => {
    for (const note of document.querySelectorAll('.note:popover-open')) {
      const { tip, top, left } = places.get(note);
      const now = tip.getBoundingClientRect();
      if (Math.hypot(now.top - top, now.left - left) > GAP) note.hidePopover();
    }
  }, { capture: true, passive: true });
})();
