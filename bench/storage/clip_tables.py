"""The part of a run's database with the plan: models, prompts and clips."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.errors import UsageError
from bench.hashing import canonical_json, first_difference
from bench.number_format import seconds_text
from bench.planning.plan import Plan, PlannedClip
from bench.storage.orphans import audio_files
from bench.storage.renaming import is_former, rename_clips
from bench.storage.tables import Tables

PLAN_AGAIN = (
    "UPDATE clips SET content = NULL, state = CASE state WHEN 'made' THEN 'planned' ELSE state END WHERE id = ?"
)

SAID_OF_PROMPTS = ("notices", "tuning")
"""The parts of a model's provenance that depend on the run, or that may become known later."""


class ClipTables(Tables):
    """Store a plan as rows, and keep rows and files consistent."""

    def about(self) -> dict[str, str]:
        """Return facts about the whole run: suite, duration, the versions of tunebench and Python that made it."""
        return dict(self._db.execute("SELECT name, value FROM about"))

    def adopt(self, plan: Plan, about: Mapping[str, str], whole: Sequence[tuple[PlannedClip, int]] = ()) -> int:
        """Store a plan, extending the run.

        Args:
            plan: the models, prompts and clips.
            about: facts as `about` returns them, with ``suite`` and ``duration``.
            whole: for a shard, all clips of the plan that it is a part of, each with the number of its shard.

        Returns:
            How many made clips it replaces.

        Raises:
            UsageError: the folder holds the same names with another meaning; both are named, nothing is changed.
        """
        self.refuse_changes(plan, about)
        with self._transaction():
            old_names = rename_clips(self._db, self.folder, plan)
            for name, value in about.items():
                self._db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))
            position = self._db.execute("SELECT COUNT(*) FROM models").fetchone()[0]
            for model in plan.models:
                row = (model.label, position, model.fingerprint, canonical_json(model.identity))
                provenance = self._provenance(model.label, _printable(model.provenance))
                # A model that is there already may have got to know more of its training: it says so from now on.
                self._db.execute(
                    "INSERT INTO models VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (label) DO UPDATE SET "
                    "trained_on = excluded.trained_on, provenance = excluded.provenance, "
                    "lineage = excluded.lineage, plays = excluded.plays",
                    (
                        *row,
                        canonical_json(provenance),
                        model.rate,
                        canonical_json(sorted(model.trained_on)),
                        canonical_json(asdict(model.lineage)),
                        canonical_json(sorted(model.plays)),
                    ),
                )
                position += 1
            self._db.executemany(
                "INSERT OR IGNORE INTO prompts VALUES (?, ?, ?, ?, ?, ?, ?)",
                ((p.id, p.text, p.genre, p.level, p.bpm, p.key, p.lyrics) for p in plan.suite.prompts),
            )
            replaced = self._drop_unlisted(plan, [clip for clip, _ in whole] or plan.clips)
            replaced += self._add_clips(plan.clips)
            self._db.execute("DELETE FROM whole_plan")
            self._db.executemany(
                "INSERT INTO whole_plan (clip, model, prompt, seed, path, shard) VALUES (?, ?, ?, ?, ?, ?)",
                ((c.id, c.model, c.prompt.id, c.request.seed, c.path, shard) for c, shard in whole),
            )
        for path in old_names:
            path.unlink(missing_ok=True)
        return replaced

    def _provenance(self, label: str, now: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the provenance of a model: as first recorded, except for present notices and tuning."""
        stored = self._db.execute("SELECT provenance FROM models WHERE label = ?", (label,)).fetchone()
        if stored is None:
            return now
        kept = {name: value for name, value in json.loads(stored[0]).items() if name not in SAID_OF_PROMPTS}
        return {**kept, **{name: now[name] for name in SAID_OF_PROMPTS if name in now}}

    def _drop_unlisted(self, plan: Plan, clips: Sequence[PlannedClip]) -> int:
        """Replace clips no longer listed by rows whose plan lists all their clips: a file that was removed,
        or a prompt that had none and now has one with another seed."""
        listed = {model.label for model in plan.models if model.listed}
        asked = {clip.place for clip in clips}
        gone = [
            (id, state)
            for id, state, *place in self._db.execute(
                "SELECT id, state, model, prompt, seed FROM clips WHERE state != 'replaced'"
            )
            if place[0] in listed and tuple(place) not in asked
        ]
        self._db.executemany("UPDATE clips SET state = 'replaced' WHERE id = ?", ((id,) for id, _ in gone))
        return sum(state == "made" for _, state in gone)

    def _add_clips(self, clips: Sequence[PlannedClip]) -> int:
        held = {tuple(place): (id, state) for id, state, *place in self._db.execute(
            "SELECT id, state, model, prompt, seed FROM clips WHERE state != 'replaced'"
        )}  # fmt: skip
        replaced = 0
        for clip in clips:
            id, state = held.get(clip.place, (None, None))
            if id == clip.id:
                continue
            if id is not None:
                self._db.execute("UPDATE clips SET state = 'replaced' WHERE id = ?", (id,))
                replaced += state == "made"
            # A file that changed and changed back is the clip it was before.
            self._db.execute(
                "INSERT INTO clips (id, model, prompt, seed, path, state) VALUES (?, ?, ?, ?, ?, 'planned') "
                "ON CONFLICT (id) DO UPDATE SET state = CASE WHEN content IS NULL THEN 'planned' ELSE 'made' END",
                (clip.id, *clip.place, clip.path),
            )
        return replaced

    def keep_order(self, clips: Sequence[PlannedClip]) -> None:
        """Restore the positions of a plan's clips whose rows were lost, if these are free."""
        places: dict[str, int] = dict(self._db.execute("SELECT id, rowid FROM clips"))
        taken, before = set(places.values()), 0
        with self._transaction():
            for clip in clips:
                if places[clip.id] > before + 1 and before + 1 not in taken:
                    self._db.execute("UPDATE clips SET rowid = ? WHERE id = ?", (before + 1, clip.id))
                    places[clip.id] = before + 1
                before = places[clip.id]

    def refuse_changes(self, plan: Plan, about: Mapping[str, str]) -> None:
        """Check that the names in a plan mean the same in the folder.

        Args:
            plan: to be adopted.
            about: facts as `about` returns them, with ``suite`` and ``duration``.

        Raises:
            UsageError: one means something else, or as `refuse_uneven_rows`.
        """
        held = self.about()
        advice = "use another folder (--out)"
        for name in ("suite", "duration"):
            if name in held and held[name] != about[name]:
                was, now_is = (seconds_text(v) if name == "duration" else v for v in (held[name], about[name]))
                raise UsageError(f"{self.folder} has a run with {name} {was}, not {now_is}; {advice}")
        models = {row[0]: row[1:] for row in self._db.execute("SELECT label, fingerprint, identity, rate FROM models")}
        for model in plan.models:
            if (
                model.label in models
                and models[model.label][0] != model.fingerprint
                and not is_former(models[model.label][1], model)
            ):
                place, was, now_is = first_difference(json.loads(models[model.label][1]), model.identity)
                raise UsageError(
                    f"{self.folder} has another model '{model.label}': {place} was {was}, is now {now_is}; "
                    f"rename it with 'as:' or {advice}"
                )
            if model.label in models and models[model.label][2] != model.rate:
                raise UsageError(
                    f"{self.folder} has clips of '{model.label}' at {models[model.label][2]} Hz, not {model.rate}; "
                    f"rename it with 'as:' or {advice}"
                )
        self.refuse_uneven_rows([model.label for model in plan.models], [p.id for p in plan.suite.prompts])
        held_by = dict(self._db.execute("SELECT id, model FROM clips"))
        for clip in plan.clips:
            if held_by.get(clip.id, clip.model) != clip.model:
                raise UsageError(
                    f"{self.folder} already has the clips of '{clip.model}', as those of '{held_by[clip.id]}': the "
                    f"same model with the same parameters; remove '{clip.model}', or {advice}"
                )
        columns = "id, text, genre, level, bpm, key, lyrics"
        prompts = {row[0]: row[1:] for row in self._db.execute(f"SELECT {columns} FROM prompts")}
        for p in plan.suite.prompts:
            now = (p.text, p.genre, p.level, p.bpm, p.key, p.lyrics)
            if p.id in prompts and prompts[p.id] != now:
                old, new = next((a, b) for a, b in zip(prompts[p.id], now, strict=True) if a != b)
                raise UsageError(
                    f"{self.folder} has another prompt '{p.id}': {old!r}, now {new!r}; "
                    f"raise the suite's version and {advice}"
                )

    def refuse_uneven_rows(self, models: Sequence[str], prompts: Sequence[str]) -> None:
        """Check that all rows would have the same prompts if the run were extended.

        Args:
            models: labels of the rows that are asked for.
            prompts: ids of the prompts that are asked for.

        Raises:
            UsageError: some would ask fewer, so that a table of the run would hold numbers that are not comparable.
        """
        held = [label for (label,) in self._db.execute("SELECT label FROM models ORDER BY position")]
        had = [id for (id,) in self._db.execute("SELECT id FROM prompts")]
        new = [label for label in models if label not in held]
        left_out = [label for label in held if label not in models]
        if held and new and set(had) - set(prompts):
            raise UsageError(
                f"{self.folder} has {len(had)} prompts, but '{new[0]}' would have only {len(prompts)}; leave out the "
                "limit, or use another folder (--out)"
            )
        if left_out and set(prompts) - set(had):
            raise UsageError(
                f"{self.folder}: this would add prompts to some rows but leave '{left_out[0]}' at {len(had)}; name "
                f"'{left_out[0]}' too, set the limit to {len(had)}, or use another folder (--out)"
            )

    def plan_lost(self) -> None:
        """Plan clips with missing audio again."""
        made = {path for (path,) in self._db.execute("SELECT path FROM clips WHERE content IS NOT NULL")}
        on_disk = set(audio_files(self.folder))
        lost = {path for path in made - on_disk if not (self.folder / path).exists()}
        self.plan_again(id for id, (path, _) in self.recorded_audio().items() if path in lost)

    def plan_again(self, clips: Iterable[str]) -> None:
        """Plan clips again, by their ids, whose audio is lost or differs."""
        with self._transaction():
            self._db.executemany(PLAN_AGAIN, ((id,) for id in clips))

    def recorded_audio(self) -> dict[str, tuple[str, str]]:
        """Return by id the path, relative to the folder, and content hash of made clips, replaced ones among them."""
        rows = self._db.execute("SELECT id, path, content FROM clips WHERE content IS NOT NULL ORDER BY rowid")
        return {id: (path, content) for id, path, content in rows}

    def unmade(self) -> set[str]:
        """Return ids of the clips that are planned or failed."""
        return {id for (id,) in self._db.execute("SELECT id FROM clips WHERE state IN ('planned', 'failed')")}


def _printable(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value if _is_json(value) else str(value) for name, value in params.items()}


def _is_json(value: Any) -> bool:
    try:
        return bool(canonical_json(value))
    except (TypeError, ValueError, RecursionError):
        return False
