# CLaMP 3: cosine similarity of clip and prompt, by the programs of its repository, which lies in the folder clamp3.
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

requests = [json.loads(line) for line in open(sys.argv[1])]
python, home = sys.executable, Path("clamp3").absolute()
with tempfile.TemporaryDirectory() as temporary:
    audio, text, mert, found = (Path(temporary, name) for name in ("audio", "text", "mert", "found"))
    for folder in (audio, text, mert, found):
        folder.mkdir()
    for request in requests:
        samples, rate = soundfile.read(request["clip"], always_2d=True)
        soundfile.write(audio / f"{request['id']}.wav", samples, rate, subtype="FLOAT")
        (text / f"{request['id']}.txt").write_text(request["prompt"], encoding="utf-8")
    options = ["--input_path", audio, "--output_path", mert, "--model_path", "m-a-p/MERT-v1-95M", "--mean_features"]
    subprocess.run([python, "extract_mert.py", *options], cwd=home / "preprocessing" / "audio", check=True)
    for source in (mert, text):
        target = found / source.name
        subprocess.run([python, "extract_clamp3.py", source, target, "--get_global"], cwd=home / "code", check=True)
    with open(sys.argv[2], "w") as out:
        for id in (request["id"] for request in requests):
            clip, prompt = (np.load(found / name / f"{id}.npy").squeeze() for name in ("mert", "text"))
            similarity = clip @ prompt / np.linalg.norm(clip) / np.linalg.norm(prompt)
            print(json.dumps({"id": id, "similarity": float(similarity)}), file=out)
