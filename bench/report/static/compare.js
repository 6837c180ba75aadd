'use strict';
/** Two models: every metric's difference, how sure it is, and what chance alone would look like. */
(() => {
  const { charts, figures, forest, load, state } = tunebench;
  const { columns, models, pairs, seeds } = tunebench.data();
  const field = (id) => document.getElementById(id);
  const [a, b, metric] = ['a', 'b', 'metric'].map(field);
  let found = null;

  /** The pair the other way round: every sign turns. */
  const turned = (c) => ({
    ...c,
    estimate: negative(c.estimate), low: negative(c.high), high: negative(c.low), effect: negative(c.effect),
    superiority: c.superiority === null ? null : 1 - c.superiority,
    chance: c.chance_b, chance_b: c.chance,
  });
  const negative = (value) => (value === null ? null : -value);

  /** The comparisons of a pair, or in one line why there are none. */
  async function records(first, second) {
    if (first === second) return 'Choose two different models.';
    try {
      if (pairs.includes(`${first}-${second}`)) return await load(`compare/${first}-${second}`);
      if (pairs.includes(`${second}-${first}`)) return (await load(`compare/${second}-${first}`)).map(turned);
    } catch (problem) {
      return `${problem.message}: this pair cannot be shown.`;
    }
    return 'This pair was not compared.';
  }

  /** Never that there is none: a difference that was not found may still be there. */
  function verdict(c) {
    if (c.estimate === null) return c.reason ?? 'not known';
    if (c.p === null) return c.reason ?? 'not tested';
    if (!c.told_apart) return 'no clear difference';
    const { direction } = columns[c.metric];
    const more = c.estimate > 0 ? models[b.value] : models[a.value];
    if (direction === 'none') return `${more} higher`;
    return `${(c.estimate > 0) === (direction === 'higher') ? models[b.value] : models[a.value]} better`;
  }

  const digits = (c) => figures.decimals(c.low === null ? Math.abs(c.estimate ?? 0) / 10 : (c.high - c.low) / 2);
  const interval = (c, places) => (c.low === null ? figures.NONE : `[${figures.number(c.low, places)}, ${figures.number(c.high, places)}]`);

  function cell(row, text, kind = 'num', title = '') {
    const made = document.createElement(kind === 'head' ? 'th' : 'td');
    if (kind === 'head') made.scope = 'row';
    else made.className = kind;
    made.textContent = text;
    if (title) made.title = title;
    row.append(made);
    return made;
  }

  const SVG = 'http://www.w3.org/2000/svg';
  /** A line from low to high about a zero in the middle; the reach is the farthest end. */
  function drawn(c) {
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('class', 'interval');
    svg.setAttribute('aria-hidden', 'true');
    if (c.estimate === null) return svg;
    const reach = Math.max(Math.abs(c.low ?? c.estimate), Math.abs(c.high ?? c.estimate)) || 1;
    const at = (value) => `${50 + (value / reach) * 46}%`;
    const part = (name, attributes) => {
      const made = document.createElementNS(SVG, name);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      svg.append(made);
    };
    part('line', { class: 'zero', x1: '50%', x2: '50%', y1: 0, y2: 10 });
    if (c.low !== null) part('line', { class: 'whisker', x1: at(c.low), x2: at(c.high), y1: 5, y2: 5 });
    part('circle', { cx: at(c.estimate), cy: 5, r: 3 });
    return svg;
  }

  function wholeTable(whole) {
    field('differences').tBodies[0].replaceChildren(...whole.map((c) => {
      const row = document.createElement('tr');
      const column = columns[c.metric];
      const places = digits(c);
      row.classList.toggle('sure', c.told_apart);
      cell(row, column.ref, 'head');
      cell(row, figures.signed(c.estimate, places) + (column.unit && c.estimate !== null ? ` ${column.unit}` : ''), 'num strong');
      cell(row, interval(c, places));
      cell(row, '', 'drawn').append(drawn(c));
      cell(row, verdict(c), 'says');
      cell(row, figures.p(c.p));
      cell(row, figures.p(c.p_holm));
      cell(row, figures.p(c.mean_p));
      cell(row, figures.signed(c.effect, 2));
      cell(row, c.superiority === null ? figures.NONE : `${Math.round(100 * c.superiority)} %`);
      cell(row, figures.number(c.detectable, places));
      cell(row, c.chance ? figures.signed(c.chance.estimate, places) : figures.NONE, 'num',
        c.chance ? `${interval(c.chance, places)}, p ${figures.p(c.chance.p)}` : seeds[a.value] < 2 ? 'the run has one seed of it' : '');
      cell(row, c.n);
      return row;
    }));
  }

  function draw(place, rows, ends, label) {
    const known = rows.some((row) => row.value !== null);
    charts.draw(place, (width) => (known ? forest.chart(width, rows, ends, label) : document.createTextNode('There is nothing to draw.')));
  }

  function wholeForest(whole) {
    const rows = whole.filter((c) => c.estimate !== null && c.detectable).map((c) => {
      const { ref, direction } = columns[c.metric];
      const sign = direction === 'lower' ? -1 : 1;
      const ends = c.low === null ? [null, null] : [c.low, c.high].map((end) => (sign * end) / c.detectable).sort((x, y) => x - y);
      const name = direction === 'none' ? `${ref} (higher)` : ref;
      return {
        name, value: (sign * c.estimate) / c.detectable, low: ends[0], high: ends[1], sure: c.told_apart,
        text: `${ref}: ${figures.signed(c.estimate, digits(c))} ${interval(c, digits(c))}`,
      };
    });
    const ends = [['← ', models[a.value], ' better', 'A'], ['', models[b.value], ' better →', 'B']];
    const label = `Differences in units of what is detectable, right is better for ${models[b.value]}; the table above holds the numbers`;
    draw(field('forest'), rows, ends, label);
  }

  /** Each warning once, with what it is of. */
  function warn(list, records, of) {
    const texts = new Map();
    for (const c of records) for (const text of c.warnings) texts.set(text, [...(texts.get(text) ?? []), of(c)]);
    list.replaceChildren(...[...texts].map(([text, names]) => {
      const item = document.createElement('li');
      const note = document.createElement('span');
      note.className = 'of';
      note.textContent = ` ${names.join(', ')}`;
      item.append(text, note);
      return item;
    }));
  }

  const groupName = (c) => (c.grouping === 'all' ? 'all prompts' : `${c.grouping} ${c.group}`);

  function byGroup() {
    const own = found.filter((c) => c.metric === Number(metric.value));
    const { ref, unit } = columns[metric.value];
    field('group-defined').textContent = document.querySelectorAll('.definitions dd')[metric.value].textContent;
    field('groups').tBodies[0].replaceChildren(...own.map((c) => {
      const row = document.createElement('tr');
      const places = digits(c);
      row.classList.toggle('sure', c.told_apart);
      cell(row, groupName(c), 'head');
      cell(row, figures.signed(c.estimate, places) + (unit && c.estimate !== null ? ` ${unit}` : ''), 'num strong');
      cell(row, interval(c, places));
      cell(row, verdict(c), 'says');
      cell(row, figures.p(c.p));
      cell(row, c.grouping === 'all' ? `${figures.p(c.p_holm)} (Holm)` : figures.p(c.p_bh));
      cell(row, c.n);
      return row;
    }));
    warn(field('group-warnings'), own.filter((c) => c.grouping !== 'all'), groupName);
    const rows = own.map((c) => ({
      name: groupName(c), value: c.estimate, low: c.low, high: c.high, sure: c.told_apart,
      text: `${groupName(c)}: ${figures.signed(c.estimate, digits(c))} ${interval(c, digits(c))}`,
    }));
    const ends = [['← ', models[a.value], ' higher', 'A'], ['', models[b.value], ' higher →', 'B']];
    const label = `Difference on ${ref} by genre and level; the table below holds the numbers`;
    draw(field('group-forest'), rows, ends, label);
  }

  function say(whole) {
    const tested = whole.filter((c) => c.p_holm !== null);
    const parts = [models[b.value], models[a.value]].flatMap((name) => ['better', 'higher'].flatMap((how) => {
      const refs = tested.filter((c) => verdict(c) === `${name} ${how}`).map((c) => columns[c.metric].ref);
      return refs.length ? [`${name} is ${how} on ${refs.join(', ')}.`] : [];
    }));
    const open = tested.filter((c) => !c.told_apart).length;
    if (open) parts.push(`On ${open} of ${tested.length} tested metrics there is no clear difference.`);
    if (!tested.length) parts.push('No metric could be tested.');
    field('verdict').textContent = parts.join(' ');
  }

  let turn = 0;
  async function show(wanted) {
    const mine = ++turn;
    const choose = (select, name, otherwise) => {
      const place = [...select.options].findIndex((o) => o.textContent === wanted.get(name));
      select.selectedIndex = place < 0 ? otherwise : place;
    };
    choose(a, 'a', 0);
    choose(b, 'b', Math.min(1, models.length - 1));
    choose(metric, 'metric', 0);
    const loaded = await records(a.value, b.value);
    if (mine !== turn) return;
    const why = typeof loaded === 'string' ? loaded : '';
    field('shown').hidden = Boolean(why);
    warn(field('warnings'), []);
    if (why) {
      field('verdict').textContent = why;
      return;
    }
    found = loaded;
    const whole = found.filter((c) => c.grouping === 'all');
    warn(field('warnings'), whole, (c) => columns[c.metric].ref);
    say(whole);
    wholeTable(whole);
    wholeForest(whole);
    byGroup();
  }

  function changed() {
    state.write({ a: models[a.value], b: models[b.value], metric: metric.selectedIndex ? columns[metric.value].ref : null });
    show(state.read());
  }
  [a, b, metric].forEach((select) => select.addEventListener('change', changed));
  field('swap').addEventListener('click', () => {
    [a.value, b.value] = [b.value, a.value];
    changed();
  });
  document.querySelectorAll('form').forEach((form) => form.addEventListener('submit', (event) => event.preventDefault()));
  state.follow(show);
})();
