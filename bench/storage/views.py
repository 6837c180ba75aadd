"""Views of a run's database: the scores that tables show, joined with what they are scores of.

Each connection gets its own. So a run that an older tunebench made has them too, a folder that nobody may write to can
be read through them, and a file that came from elsewhere cannot put others in their place.
"""

from __future__ import annotations

import sqlite3

# What a score and its metric have in common.
_KEY = (
    "s.metric = m.name AND s.version = m.version AND s.params_hash = m.params_hash AND s.embedder = m.embedder "
    "AND s.reference = m.reference"
)

VIEWS = (
    # A row for each clip of the present plan and each shown metric of single clips; place is the clip's in the plan,
    # position the metric's in tables. Where there is no score its columns are NULL, even details, which every score
    # has. The score of a clip that is to be made again is of a sound that is gone, so it is not shown.
    "CREATE TEMP VIEW shown_scores AS SELECT c.rowid AS place, c.id AS clip, c.model, c.prompt, c.seed, c.state, "
    "c.error AS clip_error, m.position, m.name AS metric, m.version, s.value, s.reason, s.error, s.details "
    "FROM main.clips AS c JOIN main.metrics AS m ON m.shown AND NOT m.of_sets "
    f"LEFT JOIN main.scores AS s ON s.clip = c.id AND {_KEY} AND c.state = 'made' WHERE c.state != 'replaced'",
    # Its rows that have a score, in no order, found from the scores' side: a scan of the table, where the other view
    # looks up each clip × metric. number is the metric's row.
    "CREATE TEMP VIEW held_scores AS SELECT c.rowid AS place, c.model, c.prompt, c.seed, m.rowid AS number, "
    "m.position, m.name AS metric, m.version, s.value, s.reason, s.error, s.details "
    "FROM main.scores AS s CROSS JOIN main.metrics AS m "
    f"ON m.shown AND NOT m.of_sets AND {_KEY} CROSS JOIN main.clips AS c ON c.id = s.clip AND c.state = 'made'",
    # A row for each score of a set of clips by a shown metric, whether or not the run still holds that very set.
    "CREATE TEMP VIEW shown_set_scores AS SELECT s.* FROM main.set_scores AS s "
    f"JOIN main.metrics AS m ON m.shown AND {_KEY}",
)


def create_views(connection: sqlite3.Connection) -> None:
    """Give a connection to a run's database its views; the file stays as it is."""
    for view in VIEWS:
        connection.execute(view)
