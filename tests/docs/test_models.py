"""The page on models: its examples run, and its programs for other stacks speak the language of `command`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import yaml

from bench.config.run_config import parse_config
from bench.contracts.entry_points import declared
from tests.code_blocks import code_blocks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")

# What the programs call of the stacks, as far as these tell it: each writes half a second of a constant.
STACKS = {
    "torch.py": """
import contextlib
bfloat16 = float32 = None
def device(name): return name
def manual_seed(seed): globals()["seed"] = seed
def no_grad(): return contextlib.nullcontext()
""",
    "heartlib.py": """
import numpy, soundfile, torch
class HeartMuLaGenPipeline:
    @classmethod
    def from_pretrained(cls, path, device, dtype, version): return cls()
    def __call__(self, inputs, max_audio_length_ms, save_path):
        assert inputs["tags"] and inputs["lyrics"]
        soundfile.write(save_path, numpy.full(max_audio_length_ms * 8, torch.seed / 10), 8000)
""",
    "yue2.py": """
import numpy, soundfile
class Song:
    def __init__(self, seed): self.seed = seed
    def save(self, path): soundfile.write(path, numpy.full(4000, self.seed / 10), 8000)
class YuE2Pipeline:
    @classmethod
    def from_pretrained(cls, name): return cls()
    def __call__(self, style, seed, cot, lyrics=None): return Song(seed)
""",
    "magenta_rt/__init__.py": """
import numpy, soundfile
class Wave:
    def __init__(self, seed): self.seed = seed
    def write(self, path): soundfile.write(path, numpy.full(4000, self.seed / 10), 8000)
class MagentaRT2Jax:
    def __init__(self, size): pass
    def embed_style(self, text, use_mapper, seed): return seed
    def generate(self, conditioning, frames): return Wave(conditioning["musiccoca"]), None
""",
    "magenta_rt/config.py": "class MUSICCOCA: key = 'musiccoca'\n",
    "DiffRhythm2/inference.py": """
import argparse, json, pathlib, numpy, soundfile, torch
parser = argparse.ArgumentParser()
for name in ("repo-id", "output-dir", "input-jsonl", "max-secs"): parser.add_argument("--" + name)
args = parser.parse_args()
song = json.loads(pathlib.Path(args.input_jsonl).read_text())
assert pathlib.Path(song["lyrics"]).read_text() and song["style_prompt"] and float(args.max_secs)
soundfile.write(f"{args.output_dir}/{song['song_name']}.mp3", numpy.full(4000, torch.seed / 10), 8000)
""",
    "SongGeneration/generate.py": """
import argparse, json, os, pathlib, numpy, soundfile, torch
parser = argparse.ArgumentParser()
for name in ("ckpt_path", "input_jsonl", "save_dir", "generate_type"): parser.add_argument("--" + name)
args = parser.parse_args()
song = json.loads(pathlib.Path(args.input_jsonl).read_text())
os.makedirs(args.save_dir + "/audios", exist_ok=True)
assert song["gt_lyric"] and song["descriptions"] and args.generate_type in ("mixed", "bgm")
soundfile.write(f"{args.save_dir}/audios/{song['idx']}.flac", numpy.full(4000, torch.seed / 10), 8000)
""",
}


def blocks(language: str) -> dict[str, str]:
    return {block.partition("\n")[0].removeprefix("# "): block for block in code_blocks(PAGE, language)}


def test_the_table_names_every_backend_with_weights() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| `", PAGE, re.MULTILINE)
    composers = {"composer", "composer-loose", "composer-offkey", "composer-reconstruction"}
    others = {"command", "folder", "noise", "real", "reconstruction"} | composers
    own = {name for name, plugins in declared("model").items() if plugins[0].distribution == "tunebench"}
    assert {name for name in own - others if not name.endswith("-lora")} == set(rows)


def test_configurations_are_valid() -> None:
    for text in blocks("yaml").values():
        content = yaml.safe_load(text)
        assert len(parse_config(content).models) == len(content["models"])


@pytest.mark.parametrize("program", list(blocks("python")))
def test_a_program_writes_the_file_of_each_request(program: str, tmp_path: Path) -> None:
    for name, text in STACKS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / program).write_text(blocks("python")[program])
    asked = [
        {"prompt": "a slow waltz", "lyrics": lyrics, "seed": seed, "duration": 0.5, "file": f"{seed:04d}.wav"}
        for seed, lyrics in ((1, None), (2, "[verse]\nla la"))
    ]
    (tmp_path / "requests.jsonl").write_text("".join(json.dumps(request) + "\n" for request in asked))
    (tmp_path / "out").mkdir()
    command = [sys.executable, program, "requests.jsonl", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for request in asked:
        (file,) = (
            path
            for path in (tmp_path / "out").glob(f"{Path(str(request['file'])).stem}.*")
            if path.suffix in (".wav", ".mp3", ".flac")
        )
        assert soundfile.read(file)[0].mean() == pytest.approx(float(str(request["seed"])) / 10, abs=0.02)


@pytest.mark.slow(5)
def test_the_example_of_tempo_and_key_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("diffusers")
    import bench
    from models import tiny

    monkeypatch.chdir(tmp_path)
    tiny.make("ace-step", Path("tiny-ace"))
    content = yaml.safe_load(blocks("yaml")["ace_control.yaml"])
    run = bench.run({**content, "executor": {"workers": 0}}, "results/ace_control")
    rows = run.scores()
    assert set(rows["model"]) == {"text", "arguments"}
    assert not list(run.failures())
