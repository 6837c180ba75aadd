"""Joining the shards of a run: what each has made, scored and noted goes into the run folder that they lie in.

Audio gets a second name there (a copy where the disk knows no hard links) before the database speaks of it, and each
shard is one transaction; so a merge that is killed is repeated, and one that is repeated changes nothing. The shards
stay as they are and may be removed afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.canonical import first_difference
from bench.errors import UsageError
from bench.runner import Progress, Run, Silent
from bench.shards import Shard, find_shards
from bench.store import Store

_Description = dict[str, Any]

# Clips whose audio the shard has and the run has not.
_NEW = "SELECT id FROM other.clips WHERE content IS NOT NULL AND id NOT IN (SELECT id FROM held)"

_PLAN = (
    "INSERT OR REPLACE INTO about SELECT name, value FROM other.about WHERE name != 'config'",
    "INSERT OR IGNORE INTO models SELECT label, position + (SELECT COUNT(*) FROM models), fingerprint, identity, "
    "provenance, rate FROM other.models ORDER BY position",
    "INSERT OR IGNORE INTO prompts SELECT id, text, genre, level, bpm, key FROM other.prompts ORDER BY rowid",
    "UPDATE metrics SET shown = 0 WHERE name IN (SELECT name FROM other.metrics WHERE shown)",
    "INSERT INTO metrics SELECT name, version, params_hash, params, unit, direction, "
    "position + (SELECT COUNT(*) FROM metrics), shown FROM other.metrics WHERE true ORDER BY position "
    "ON CONFLICT DO UPDATE SET shown = MAX(shown, excluded.shown)",
    # As when a plan is adopted: one clip for each model, prompt and seed, and what was there before is kept.
    "UPDATE clips SET state = 'replaced' FROM other.whole_plan AS plan WHERE clips.model = plan.model "
    "AND clips.prompt = plan.prompt AND clips.seed = plan.seed AND clips.id != plan.clip AND state != 'replaced'",
    "INSERT INTO clips (id, model, prompt, seed, path, state) SELECT clip, model, prompt, seed, path, 'planned' "
    "FROM other.whole_plan WHERE true ORDER BY position ON CONFLICT (id) DO UPDATE SET state = "
    "CASE WHEN state != 'replaced' THEN state WHEN content IS NULL THEN 'planned' ELSE 'made' END",
)
