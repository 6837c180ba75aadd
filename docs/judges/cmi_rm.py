# CMI-RM: alignment of clip and prompt, and quality.
import json
import sys

import soundfile
import soxr
import torch

sys.path.insert(0, "CMI-RewardBench")
from baselines.inference import RewardModelInference

device = "cuda:0" if torch.cuda.is_available() else "cpu"
judge = RewardModelInference("CMI-RewardBench/baselines/model/model.safetensors", device=device)
with open(sys.argv[2], "w") as out:
    for request in map(json.loads, open(sys.argv[1])):
        samples, rate = soundfile.read(request["clip"], dtype="float32", always_2d=True)
        wave = torch.from_numpy(soxr.resample(samples.mean(axis=1), rate, judge.sr))
        scores = judge.score(wave, text=request["prompt"] or "")
        print(json.dumps({"id": request["id"], **scores}), file=out, flush=True)
