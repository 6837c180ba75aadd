"""Bundles that are made to do harm, or came broken: one line, exit code 5, nothing written but in a scratch folder."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import stat
import struct
import tempfile
import zipfile
from collections.abc import Callable
from copy import copy
from pathlib import Path

import pytest

import bench
from bench import DataError, UsageError
from bench.bundle.pack import describe, pack
from bench.bundle.verification import Verification
from bench.bundle.verify import verify
from bench.scores.protocol import protocol_of
from bench.storage.digests import write_digests
from bench.storage.store import Store
from tests.bench.storage.test_database import LAYOUT_4

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def files(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of a good bundle."""
    folder = tmp_path_factory.mktemp("good")
    config = {
        "models": [{"name": f"{tiny}:Sine", "as": "sine"}],
        "metrics": ["key-adherence"],
        "duration": 0.2,
        "executor": {"workers": 0},
    }
    packed = pack(bench.run(config, folder / "run").folder, folder / "b.zip")
    with zipfile.ZipFile(packed.path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where bundles are unpacked; it must be empty afterwards."""
    folder = tmp_path / "deep" / "scratch"
    folder.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def attempt(tmp_path: Path, scratch: Path) -> Callable[[Path], Verification]:
    """Verify a bundle and make sure that nothing was written outside the scratch folder, nor left in it."""

    def run(bundle: Path) -> Verification:
        before = _everything(tmp_path)
        try:
            return verify(bundle, workers=0)
        except DataError as error:
            assert "\n" not in str(error)
            assert str(error).startswith(str(bundle))
            assert str(scratch) not in str(error)
            assert error.exit_code == 5
            raise
        finally:
            assert _everything(tmp_path) == before

    return run


Attempt = Callable[[Path], Verification]


def _everything(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.lstat().st_mode, 0 if p.is_dir() else p.lstat().st_size) for p in folder.rglob("*")}


def _index(files: Files) -> bytes:
    """The index with the right hash of every file."""
    index = json.loads(files["bundle.json"])
    index["files"] = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for name, content in files.items()
        if name != "bundle.json"
    }
    return json.dumps(index).encode()


def _write(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name",
    [
        *("../evil.txt", "/tmp/evil.txt", "audio/../../evil.flac", "audio/sine/../../../0123456789abcdef.flac"),
        *("..\\evil.txt", "C:\\evil.txt", "audio\\sine\\0123456789abcdef.flac", "audio/../0123456789abcdef.flac"),
        *("evil.py", "audio/", "references/../evil.safetensors", "run.db-wal", "run.db\n", "config.yaml/x", "./run.db"),
        *(
            "audio/sine/0123456789abcdef.flac/x",
            "audio/sine/0123456789abcdeg.flac",
            "audio/.hidden/0123456789abcdef.flac",
        ),
    ],
)
def test_no_name_but_a_bundles_own_is_unpacked(files: Files, tmp_path: Path, attempt: Attempt, name: str) -> None:
    with pytest.raises(DataError, match=re.escape(repr(name))):
        attempt(_write(tmp_path / "b.zip", {**files, name: b"evil"}))


def test_a_name_that_a_nul_cuts_is_refused(files: Files, tmp_path: Path, attempt: Attempt) -> None:
    bundle = _write(tmp_path / "b.zip", {**files, "run.db_cut": b"evil"})
    bundle.write_bytes(bundle.read_bytes().replace(b"run.db_cut", b"run.db\0cut"))
    with pytest.raises(DataError, match=re.escape(repr("run.db\0cut"))):
        attempt(bundle)


def test_a_file_twice_is_refused(files: Files, tmp_path: Path, attempt: Attempt) -> None:
    bundle = _write(tmp_path / "b.zip", {**files, "run.dc": b"evil"})
    bundle.write_bytes(bundle.read_bytes().replace(b"run.dc", b"run.db"))
    with pytest.raises(DataError, match=r"run\.db twice"):
        attempt(bundle)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR])
def test_links_and_devices_are_refused(files: Files, tmp_path: Path, attempt: Attempt, kind: int) -> None:
    entry = zipfile.ZipInfo("audio/sine/0123456789abcdef.flac")
    entry.external_attr = (kind | 0o777) << 16
    bundle = _write(tmp_path / "b.zip", files)
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(DataError) as caught:
        attempt(bundle)
    assert all(word in str(caught.value) for word in (entry.filename, "link"))


@pytest.mark.parametrize(("name", "method"), [("run.db", zipfile.ZIP_BZIP2), ("audio", zipfile.ZIP_DEFLATED)])
def test_other_compression_is_refused(files: Files, tmp_path: Path, attempt: Attempt, name: str, method: int) -> None:
    name = next(known for known in files if known.startswith(name))
    bundle = _write(tmp_path / "b.zip", {known: content for known, content in files.items() if known != name})
    with zipfile.ZipFile(bundle, "a", method) as archive:
        archive.writestr(name, files[name])
    with pytest.raises(DataError) as caught:
        attempt(bundle)
    assert all(word in str(caught.value) for word in (name, "compressed"))


@pytest.mark.parametrize("name", ["scores.csv", "leaderboard.json", "run.db"])
def test_a_bomb_is_not_unpacked(files: Files, tmp_path: Path, attempt: Attempt, name: str) -> None:
    bundle = _write(tmp_path / "b.zip", {known: content for known, content in files.items() if known != name})
    with zipfile.ZipFile(bundle, "a", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as target:
        for _ in range(16):
            target.write(bytes(1 << 20))
    assert bundle.stat().st_size < 1 << 20
    with pytest.raises(DataError, match=str(16 << 20)):
        attempt(bundle)


def test_a_bomb_that_declares_little_stops_there(tmp_path: Path, attempt: Attempt) -> None:
    large = bytes(8 << 20)
    bundle = tmp_path / "b.zip"
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("scores.csv", large)
    content = bundle.read_bytes().replace(struct.pack("<L", len(large)), struct.pack("<L", 5000))
    bundle.write_bytes(content)
    with pytest.raises(DataError, match="truncated"):
        attempt(bundle)


def test_files_that_share_their_bytes_are_refused(files: Files, tmp_path: Path, attempt: Attempt) -> None:
    """Many names for one large content: a bomb that no ratio shows."""
    bundle = tmp_path / "b.zip"
    sound = next(name for name in files if name.endswith(".flac"))
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.writestr(sound, bytes(1 << 20))
        for number in range(20):
            shared = copy(archive.filelist[0])
            shared.filename = f"audio/sine/{number:016x}.flac"
            archive.filelist.append(shared)
    with pytest.raises(DataError, match="overlap"):
        attempt(bundle)


def test_encrypted_files_are_refused(files: Files, tmp_path: Path, attempt: Attempt) -> None:
    bundle = _write(tmp_path / "b.zip", files)
    content = bytearray(bundle.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    bundle.write_bytes(content)
    with pytest.raises(DataError, match="is encrypted"):
        attempt(bundle)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.9, 0.999])
def test_a_truncated_bundle(files: Files, tmp_path: Path, attempt: Attempt, share: float) -> None:
    bundle = _write(tmp_path / "b.zip", files)
    bundle.write_bytes(bundle.read_bytes()[: int(share * bundle.stat().st_size)])
    with pytest.raises(DataError, match="truncated"):
        attempt(bundle)


def test_a_flipped_bit(files: Files, tmp_path: Path, attempt: Attempt) -> None:
    bundle = _write(tmp_path / "b.zip", files)
    content = bytearray(bundle.read_bytes())
    content[content.index(b"fLaC") + 600] ^= 4
    bundle.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        attempt(bundle)


def test_what_is_no_file(tmp_path: Path, attempt: Attempt) -> None:
    for path in (tmp_path / "gone.zip", tmp_path):
        with pytest.raises(UsageError):
            attempt(path)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"[]", "JSON object"),
        (b"{", "bundle.json .*JSON"),
        (b"\xff", "bundle.json .*JSON"),
        (b"[" * 100_000, "bundle.json .*JSON"),
        (b'{"format": NaN}', "bundle.json .*JSON"),
        (b'{"format": 9}', "format 9.*format 2"),
        (b'{"format": 1}', "format 1.*'tunebench export bundle'"),
        (b'{"format": 2}', "bundle.json"),
        (b'{"format": 2, "name": 3, "protocol": {"id": "", "line": ""}, "versions": {}}', "not text"),
        (
            b'{"format": 2, "name": "", "protocol": {"id": "", "line": ""}, "versions": {}, "files": []}',
            "no files",
        ),
    ],
)
def test_an_index_that_is_none(files: Files, tmp_path: Path, attempt: Attempt, content: bytes, match: str) -> None:
    with pytest.raises(DataError, match=match):
        attempt(_write(tmp_path / "b.zip", {**files, "bundle.json": content}))


def test_a_bundle_of_an_older_layout_is_verified(files: Files, tmp_path: Path, attempt: Attempt) -> None:
    found = attempt(_altered(files, tmp_path, LAYOUT_4))
    assert found.holds and found.numbers > 0


def test_a_bundle_without_an_index(files: Files, tmp_path: Path, attempt: Attempt) -> None:
    with pytest.raises(DataError, match=r"no bundle\.json"):
        attempt(_write(tmp_path / "b.zip", {name: c for name, c in files.items() if name != "bundle.json"}))


def _altered(files: Files, tmp_path: Path, script: str, protocol: bool = True) -> Path:
    """A bundle whose database ran a script, sealed with right hashes and, where it can be told, the right protocol."""
    folder = tmp_path / "altered"
    folder.mkdir()
    (folder / "run.db").write_bytes(files["run.db"])
    connection = sqlite3.connect(folder / "run.db")
    connection.executescript(f"PRAGMA foreign_keys = OFF; {script}")
    if protocol:
        write_digests(connection)
        connection.commit()
    connection.close()
    index = json.loads(files["bundle.json"])
    if protocol:
        with Store.read(folder) as store:
            index["protocol"] = dict(describe("run", store, protocol_of(store))["protocol"])
    # What was read is removed, so that nothing is in the way of looking for what was written.
    database = (folder / "run.db").read_bytes()
    for path in folder.iterdir():
        path.unlink()
    changed = {**files, "run.db": database, "bundle.json": json.dumps(index).encode()}
    return _write(tmp_path / "b.zip", {**changed, "bundle.json": _index(changed)})


@pytest.mark.parametrize(
    ("script", "match"),
    [
        ("CREATE TRIGGER t AFTER INSERT ON about BEGIN DELETE FROM clips; END", "trigger 't'"),
        ("ALTER TABLE clips RENAME TO hidden; CREATE VIEW clips AS SELECT * FROM hidden", "table 'hidden'"),
        (
            "DROP TABLE set_scores; CREATE VIEW set_scores AS WITH RECURSIVE n(x) AS "
            "(SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS model FROM n",
            "view 'set_scores'",
        ),
        ("CREATE VIRTUAL TABLE embeddings2 USING fts5(a)", "'embeddings2'"),
        ("CREATE TABLE more (x)", "table 'more'"),
        ("ALTER TABLE about ADD COLUMN extra TEXT AS (hex(zeroblob(1000000)))", "computed"),
        ("PRAGMA user_version = 99", "layout 99"),
        ("UPDATE clips SET path = '../../../../tmp/evil.flac'", "'../../../../tmp/evil.flac'"),
        ("UPDATE clips SET path = '/etc/passwd'", "'/etc/passwd'"),
        ("UPDATE models SET label = '../x'; UPDATE clips SET model = '../x'", "path 'audio/"),
        ("UPDATE clips SET id = upper(id)", "clip '[0-9A-F]{16}'"),
        ("UPDATE clips SET frames = 1 << 60", "an hour"),
        ("UPDATE clips SET rate = 'fast'", "clips.rate.*str.*INTEGER"),
        ("UPDATE clips SET content = x'00'", "clips.content.*bytes.*TEXT"),
        ("UPDATE prompts SET id = id || '/b'; UPDATE clips SET prompt = prompt || '/b'", "prompt id"),
        ("UPDATE prompts SET text = ' '", "prompt '.+': text "),
        ("UPDATE prompts SET level = 1e300", "prompts.level.*float.*INTEGER"),
        ("UPDATE notes SET notes = '[1]'", "notes"),
        ("UPDATE models SET trained_on = '[\"me\"]'", "'sine'.*hashes"),
        ("UPDATE metrics SET params = '[]'", "JSON object"),
        ("UPDATE metrics SET params = '{'", "run.db"),
        ("UPDATE metrics SET reference = '../evil'", "a hash"),
        ("INSERT INTO metrics SELECT plugin, name, version, 'x', embedder, reference, params, unit, direction, "
         "of_sets, position, shown, view, reference_name, lowest, highest, hit_or_miss, warnings, families "
         "FROM metrics", "key-adherence@2 2 times"),
        ("UPDATE metrics SET warnings = '[1]'", "damaged"),
        ("UPDATE metrics SET families = '[7]'", "run.db cannot"),
        ("UPDATE models SET lineage = '[]'", "lineage"),
        ("UPDATE metrics SET shown = 0", "table metrics"),
        ("INSERT INTO scores SELECT clip, metric, 0, params_hash, embedder, '', 9, NULL, NULL, details, 0 FROM scores",
         "table scores"),
        ("UPDATE scores SET details = '{\"known\": 1, \"known\": 9}'", "duplicate name"),
        ("UPDATE scores SET value = 9e999, reason = NULL", "run.db"),
        ("DELETE FROM about", "suite .*duration"),
        ("DELETE FROM models", "contradict"),
    ],
)  # fmt: skip
def test_a_database_that_no_run_has(files: Files, tmp_path: Path, attempt: Attempt, script: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        attempt(_altered(files, tmp_path, script, protocol=False))


def test_a_bundle_of_the_layout_before_holds(files: Files, tmp_path: Path, attempt: Attempt) -> None:
    found = attempt(_altered(files, tmp_path, LAYOUT_4))
    assert found.holds and not found.deviations


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + bytes(100), b"no database at all" * 100])
def test_a_database_that_is_none(files: Files, tmp_path: Path, attempt: Attempt, content: bytes) -> None:
    changed = {**files, "run.db": content}
    with pytest.raises(DataError, match=r"run\.db"):
        attempt(_write(tmp_path / "b.zip", {**changed, "bundle.json": _index(changed)}))


@pytest.mark.parametrize(
    ("plugin", "params", "match"),
    [
        ("{evil}:Metric", "{{}}", "plugin file '{evil}:Metric'"),
        ("kad", '{{"embedder": "{evil}:Metric"}}', "plugin file '{evil}:Metric'"),
        ("kad", '{{"embedder_params": {{"a": [{{"b": "{evil}:Metric"}}]}}}}', "plugin file '{evil}:Metric'"),
        ("kad", '{{"embedder": "clap", "embedder_params": {{"checkpoint": "{evil}"}}}}', "--trust-weights"),
        ("kad", '{{"embedder": "clap", "embedder_params": {{"checkpoint": "org/weights"}}}}', "--trust-weights"),
        ("unheard-of", "{{}}", "'unheard-of'"),
        ("kad", '{{"embedder": "musicnn-msd", "k": 1}}', "parameter 'k'"),
        ("key-adherence", '{{"x": 1}}', "parameter 'x'"),
        ("chords-in-key", "{{}}", "here 'chords-in-key' is chords-in-key@1"),
    ],
)
def test_nothing_that_a_bundle_names_is_run(
    files: Files, tmp_path: Path, attempt: Attempt, plugin: str, params: str, match: str
) -> None:
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Metric: pass\n")
    plugin, params = plugin.format(evil=evil), params.format(evil=evil)
    script = (
        f"UPDATE metrics SET plugin = '{plugin}', name = 'evil', params = '{params}'; UPDATE scores SET metric = 'evil'"
    )
    records = json.loads(files["leaderboard.json"])
    renamed = [{**record, "metric": "evil@2"} for record in records]
    table = files["scores.csv"].replace(b"key-adherence@2", b"evil@2")
    changed = {**files, "leaderboard.json": json.dumps(renamed).encode(), "scores.csv": table}
    found = attempt(_altered(changed, tmp_path, script))
    assert match.format(evil=evil) in found.unchecked["evil@2"]
    lacking = () if plugin == "key-adherence" else (f"config.yaml: lacks the metric '{plugin}', which the tables show",)
    assert found.damage == lacking
    assert (found.numbers, found.deviations) == (0, ())
    assert not (tmp_path / "ran").exists()


def test_a_configuration_is_not_followed(files: Files, tmp_path: Path, attempt: Attempt) -> None:
    """Its models and metrics may be any: none is loaded."""
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Metric: pass\n")
    config = f"{{models: ['{evil}:Metric'], metrics: ['{evil}:Metric'], suite: '{evil}:Metric', reference: '{evil}'}}"
    changed = {**files, "config.yaml": config.encode()}
    found = attempt(_write(tmp_path / "b.zip", {**changed, "bundle.json": _index(changed)}))
    assert [line.partition(":")[0] for line in found.damage] == ["config.yaml"] * 4
    for line, values in zip(
        found.damage, (("10 s", "0.2 s"), ("'Metric'",), ("'sine'",), ("'key-adherence'",)), strict=True
    ):
        assert all(value in line for value in values)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("config.yaml", b"!!python/object/apply:os.system ['true']", "config.yaml.*YAML"),
        ("config.yaml", b"unknown: 1", "unknown setting"),
        ("leaderboard.json", b"{}3", "leaderboard.json .*JSON"),
        ("leaderboard.json", b"[1]", "leaderboard.json is invalid"),
        ("leaderboard.json", b'[{"model": "sine"}]', "leaderboard.json is invalid"),
        ("leaderboard.json", b'[{"model": "sine", "model": "noise"}]', "leaderboard.json .*duplicate name"),
        (
            "leaderboard.json",
            b'[{"model": "m", "metric": "x@1", "grouping": "all", "group": "all", "value": 1e999}]',
            "value .*finite",
        ),
        ("scores.csv", b"key-adherence@2\n1\n", "scores.csv .*clips"),
        ("scores.csv", b"model,prompt,seed,key-adherence@2\nsine,jazz-2,0,nan\n", "scores.csv .*clips"),
        ("scores.csv", b"\xff\xfe", "scores.csv .*clips"),
    ],
)
def test_other_files_that_are_not_what_they_should_be(
    files: Files, tmp_path: Path, attempt: Attempt, name: str, content: bytes, match: str
) -> None:
    changed = {**files, name: content}
    with pytest.raises(DataError, match=match):
        attempt(_write(tmp_path / "b.zip", {**changed, "bundle.json": _index(changed)}))


@pytest.mark.parametrize("name", ["leaderboard.json", "scores.csv"])
def test_nothing_stands_in_a_table_twice(files: Files, tmp_path: Path, attempt: Attempt, name: str) -> None:
    """Readers would take the first, a check the last."""
    if name == "scores.csv":
        header, *rows = files[name].splitlines(keepends=True)
        twice = b"".join([header, *rows, *rows])
    else:
        twice = json.dumps(2 * json.loads(files[name])).encode()
    changed = {**files, name: twice}
    with pytest.raises(DataError) as caught:
        attempt(_write(tmp_path / "b.zip", {**changed, "bundle.json": _index(changed)}))
    assert all(word in str(caught.value) for word in (name, "twice"))


@pytest.mark.parametrize(
    ("column", "match"),
    [(b"mos@1", "column 'mos@1'"), (b"model", "columns"), (b"key-adherence@2", "columns")],
)
def test_a_column_that_the_run_does_not_have(
    files: Files, tmp_path: Path, attempt: Attempt, column: bytes, match: str
) -> None:
    header, *rows = files["scores.csv"].splitlines()
    table = b"\r\n".join([header + b"," + column, *(row + b",5.0" for row in rows), b""])
    changed = {**files, "scores.csv": table}
    with pytest.raises(DataError, match=match):
        attempt(_write(tmp_path / "b.zip", {**changed, "bundle.json": _index(changed)}))


def test_audio_that_is_not_what_the_run_says(files: Files, tmp_path: Path, attempt: Attempt) -> None:
    """Each is named, whatever it is, and one that is longer than it should be is not decoded."""
    first, second, third = sorted(name for name in files if name.endswith(".flac"))[:3]
    long = tmp_path / "long.flac"
    import numpy as np
    import soundfile

    soundfile.write(long, np.zeros(400_000), 8000, subtype="PCM_24")
    changed = {**files, first: b"fLaC and nothing more", second: long.read_bytes()}
    del changed[third]
    stranger = "audio/sine/0123456789abcdef.flac"
    changed[stranger] = files[first]
    found = attempt(_write(tmp_path / "b.zip", {**changed, "bundle.json": _index(changed)}))
    said = dict(line.split(": ", 1) for line in found.damage)
    assert said.keys() == {first, second, third, stranger}
    assert len({said[second], said[third], said[stranger]}) == 3


def test_what_is_said_of_the_run_must_follow_from_it(files: Files, tmp_path: Path, attempt: Attempt) -> None:
    """The index, the configuration, the suite's name and the models' fingerprints; what is printed is made here."""
    index = json.loads(files["bundle.json"])
    index["protocol"]["line"] = index["protocol"]["line"].replace("quick@1", "genres@1, with listeners")
    index |= {"models": [], "clips": 1, "planned": 999, "award": "gold"}
    index["protocol"]["content"] = {}
    config = files["config.yaml"].replace(b"duration: 0.2", b"duration: 20.0").replace(b"quick@1", b"genres@1")
    config = config.replace(b"seeds:\n- 0", b"seeds:\n- 0\n- 1")
    changed = {**files, "bundle.json": json.dumps(index).encode(), "config.yaml": config}
    script = "UPDATE models SET identity = '{}'; UPDATE about SET value = 'genres@1' WHERE name = 'suite'"
    found = attempt(_altered(changed, tmp_path, script, protocol=False))
    named = [
        *(("bundle.json: ", name) for name in ("models ", "clips ", "planned ", "protocol.line ", "protocol.content ")),
        ("bundle.json: ", "'award'"),
        ("config.yaml: ", "duration", "20 s", "0.2 s"),
        ("config.yaml: ", "'sine'", "seed 1"),
        ("run.db: ", "fingerprint", "'sine'"),
        ("run.db: ", "prompts", "genres@1"),
    ]
    assert len(found.damage) == len(named)
    for words in named:
        assert sum(all(word in line for word in words) for line in found.damage) == 1, words
    assert "listeners" not in found.protocol
    other = {**files, "config.yaml": files["config.yaml"].replace(b"quick@1", b"genres@1")}
    found = attempt(_write(tmp_path / "b.zip", {**other, "bundle.json": _index(other)}))
    (line,) = found.damage
    assert line.startswith("config.yaml: ") and "genres@1" in line and "quick@1" in line


def test_a_protocol_that_is_not_the_runs(files: Files, tmp_path: Path, attempt: Attempt) -> None:
    index = json.loads(files["bundle.json"])
    index["protocol"]["id"] = "0123456789ab"
    found = attempt(_write(tmp_path / "b.zip", {**files, "bundle.json": json.dumps(index).encode()}))
    assert [line.split()[:2] for line in found.damage] == [["bundle.json:", "protocol.id"]]
