# SongEval: Coherence, Musicality, Memorability, Clarity and Naturalness of a song.
import json
import sys

import librosa
import torch
from muq import MuQ
from omegaconf import OmegaConf
from safetensors.torch import load_file

sys.path.insert(0, "SongEval")
from model import Generator

settings = OmegaConf.load("SongEval/config.yaml").generator
settings.pop("_target_")
head = Generator(**settings).eval()
head.load_state_dict(load_file("SongEval/ckpt/model.safetensors"), strict=False)
muq = MuQ.from_pretrained("OpenMuQ/MuQ-large-msd-iter").eval()
names = "Coherence", "Musicality", "Memorability", "Clarity", "Naturalness"
with open(sys.argv[2], "w") as out, torch.no_grad():
    for request in map(json.loads, open(sys.argv[1])):
        wave = torch.tensor(librosa.load(request["clip"], sr=24000)[0])[None]
        scores = head(muq(wave, output_hidden_states=True)["hidden_states"][6])[0]
        print(json.dumps({"id": request["id"], **dict(zip(names, scores.tolist(), strict=True))}), file=out, flush=True)
