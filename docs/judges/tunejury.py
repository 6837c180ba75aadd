# TuneJury: reward of clip and prompt; give "" for the prompt where prompts are captions rather than requests.
import json
import sys

import soundfile
import torch

sys.path.insert(0, "TuneJury")
from tunejury import Scorer

judge = Scorer.from_pretrained("TuneJury/checkpoints/tunejury.pt")
with open(sys.argv[2], "w") as out:
    for request in map(json.loads, open(sys.argv[1])):
        samples, rate = soundfile.read(request["clip"], dtype="float32", always_2d=True)
        reward = judge.score_waveform(torch.from_numpy(samples.T.copy()), rate, request["prompt"] or "")
        print(json.dumps({"id": request["id"], "reward": reward}), file=out, flush=True)
