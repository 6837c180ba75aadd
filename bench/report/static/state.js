'use strict';
/** What is shown, kept in the address, so that a link shows the same. */
tunebench.state = (() => {
  const read = () => new URLSearchParams(location.hash.slice(1));

  /** Set some names, and leave out those that have their usual value (null). */
  function write(changes) {
    const all = read();
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === '') all.delete(name);
      else all.set(name, value);
    }
    const hash = all.toString();
    history.replaceState(null, '', hash ? `#${hash}` : location.pathname + location.search);
  }

  /** Call back now and whenever the reader changes the address. */
  function follow(show) {
    window.addEventListener('hashchange', () => show(read()));
    show(read());
  }

  return { read, write, follow };
})();
