# MuQ-MuLan: cosine similarity of clip and prompt; clips of more than 10 s are the mean of their parts.
import json
import sys

import librosa
import torch
from muq import MuQMuLan

judge = MuQMuLan.from_pretrained("OpenMuQ/MuQ-MuLan-large").eval()
with open(sys.argv[2], "w") as out, torch.no_grad():
    for request in map(json.loads, open(sys.argv[1])):
        wave = torch.tensor(librosa.load(request["clip"], sr=24000)[0])[None]
        value = judge.calc_similarity(judge(wavs=wave), judge(texts=[request["prompt"]]))
        print(json.dumps({"id": request["id"], "similarity": value.item()}), file=out, flush=True)
