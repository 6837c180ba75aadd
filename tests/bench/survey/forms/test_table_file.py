"""Kinds of files: whatever opens gives the same table, and whatever does not says what to do."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import DataError, UsageError
from bench.survey.forms import table_file
from bench.survey.forms.table_file import read_table
from tests.bench.survey.forms.conftest import FORMS, write_form

ROWS = [["who", "prompt", "x"], ["ann", "p1", "4"], ["bö", "p2", ""], ["cy", 'a "b", c', "5"]]


@pytest.mark.parametrize("form", FORMS)
def test_every_kind_holds_the_same(form: str, tmp_path: Path) -> None:
    table = read_table(write_form(tmp_path, form, ROWS))
    cells = {name: table.column(name) for name in ("who", "prompt", "x")}
    assert cells == {"who": ["ann", "bö", "cy"], "prompt": ["p1", "p2", 'a "b", c'], "x": ["4", "", "5"]}
    assert table.lines == ([1, 2, 3] if form.startswith("json") else [2, 3, 4])
    assert bool(table.notes) == (form == "windows-1252")


def test_json_of_other_shapes(tmp_path: Path) -> None:
    shapes = {
        "a.json": '{"survey": "x", "responses": [{"a": 1.0, "b": true}, {"b": null, "c": {"d": [1, "é"]}}]}',
        "b.json": '[{"a": 1.0, "b": true}, {"b": null, "c": {"d": [1, "é"]}}]',
        "c.txt": ' [{"a": 1.0, "b": true}, {"b": null, "c": {"d": [1, "é"]}}]',
        "d.ndjson": '\n{"a": 1.0, "b": true}\n\n{"b": null, "c": {"d": [1, "é"]}}\n',
    }
    for name, text in shapes.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        table = read_table(tmp_path / name)
        assert table.header == ["a", "b", "c"]
        assert table.rows == [["1", "true", ""], ["", "", '{"d": [1, "é"]}']]
        assert table.lines == ([2, 4] if name == "d.ndjson" else [1, 2])
    (tmp_path / "older.json").write_text('{"responses": [{"7": {"id": "7", "x": 3}}, {"8": {"id": "8", "x": 4}}]}')
    assert read_table(tmp_path / "older.json").rows == [["7", "3"], ["8", "4"]]
    (tmp_path / "lists.json").write_text('[[{"a": 1}], [{"a": 2}, {"a": 3}]]')
    assert read_table(tmp_path / "lists.json").rows == [["1", "1"], ["2", "2"], ["2", "3"]]
    (tmp_path / "e.csv").write_text("[x],listener\n3,ann\n")  # no JSON, though it begins like it
    assert read_table(tmp_path / "e.csv").header == ["[x]", "listener"]


@pytest.mark.parametrize(
    "text", ["", "{", "[1, 2]", '[{"a": 1}, 3]', '[{"a": 1, "a": 2}]', "[]", "[" * 100_000, '{"a": 1} {"a": 2}', "null"]
)
def test_json_that_is_no_table_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError):
        read_table(tmp_path / "a.json")


def test_files_of_a_folder_stand_below_each_other(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(UsageError, match="without files"):
        read_table(tmp_path / "f")
    (tmp_path / "f" / "b.csv").write_text("x,y\n1,2\n")
    (tmp_path / "f" / "a.json").write_text('[{"y": 5, "z": 6}]')
    (tmp_path / "f" / ".hidden").write_text("nothing")
    table = read_table(tmp_path / "f")
    assert (table.header, table.rows) == (["part", "y", "z", "x"], [["a", "5", "6", ""], ["b", "2", "", "1"]])
    (tmp_path / "f" / "c.csv").write_text("x,y\n")
    with pytest.raises(DataError, match=r"c\.csv: no rows"):
        read_table(tmp_path / "f")


def workbook(**sheets: list[list[object]]) -> bytes:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def test_workbooks(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    rows: list[list[object]] = [[None], ["a", "b", None], [1, 2.5, None], [None, None, None], [3.0, True, None]]
    path.write_bytes(workbook(Empty=[], Data=rows))
    table = read_table(path)
    assert (table.header, table.rows, table.lines) == (["a", "b"], [["1", "2.5"], ["3", "True"]], [3, 5])
    path.write_bytes(workbook(One=[["a"], [1]], Two=[["b"], [1]]))
    with pytest.raises(UsageError, match="One, Two"):
        read_table(path)
    path.write_bytes(workbook(One=[["a"], ["=1+1"]]))  # no program has computed it
    with pytest.raises(DataError, match="row 2, column 1"):
        read_table(path)
    path.write_bytes(workbook(One=[], Two=[]))
    with pytest.raises(DataError, match="empty"):
        read_table(path)


def damaged(content: bytes) -> bytes:
    return content[:400] + b"\0" * 200 + content[600:]


def without_sheets(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        for part in old.infolist():
            if "worksheets" not in part.filename:
                new.writestr(part, old.read(part))
    return buffer.getvalue()


@pytest.mark.parametrize("damage", [damaged, without_sheets, lambda content: content[:800], lambda _: b"PK\x03\x04"])
def test_damaged_workbooks_are_refused(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(damage(workbook(One=[["a"], [1]])))
    with pytest.raises(DataError):
        read_table(tmp_path / "a.xlsx")


def test_other_archives_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "x\n1\n")
    (tmp_path / "a.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    for name, hint in (("a.zip", "unpack"), ("a.xls", "xlsx")):
        with pytest.raises(DataError, match=hint):
            read_table(tmp_path / name)


def test_compressed_files_that_unpack_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n" * 1000))
    assert len(read_table(tmp_path / "a.csv.gz").rows) == 1999
    monkeypatch.setattr(table_file, "LARGEST", 1000)
    with pytest.raises(DataError, match="unpacked"):
        read_table(tmp_path / "a.csv.gz")
    for content in (gzip.compress(b"a,b\n1,2\n")[:-9], b"\x1f\x8b" + bytes(20)):
        (tmp_path / "a.csv.gz").write_bytes(content)
        with pytest.raises(DataError, match="gzip"):
            read_table(tmp_path / "a.csv.gz")


def test_without_openpyxl_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(workbook(One=[["a"], [1]]))
    code = "import sys; sys.modules['openpyxl'] = None; import bench.cli; bench.cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "survey", "analyze", "a.xlsx", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    told = json.loads(done.stdout)["error"]
    assert told["code"] == "missing"
    assert "tunebench[xlsx]" in told["message"]
    assert "CSV" in told["message"]
