# MuQ-Eval (checkpoint A1): quality of the first 10 s of a clip.
import json
import sys

import librosa
import torch
from huggingface_hub import hf_hub_download
from omegaconf import OmegaConf

sys.path.insert(0, "MuQ-Eval")
from src.model import MusicQualityModel

settings = OmegaConf.load(hf_hub_download("zhudi2825/MuQ-Eval-A1", "config.yaml"))
settings.pop("defaults", None)
judge = MusicQualityModel(OmegaConf.merge(OmegaConf.load("MuQ-Eval/configs/base.yaml"), settings)).eval()
judge.load_state_dict(torch.load(hf_hub_download("zhudi2825/MuQ-Eval-A1", "model_state_dict.pt"), map_location="cpu"))
with open(sys.argv[2], "w") as out, torch.no_grad():
    for request in map(json.loads, open(sys.argv[1])):
        said = judge(torch.tensor(librosa.load(request["clip"], sr=24000, duration=10)[0])[None])
        numbers = {name: value.item() for name, value in said.items() if torch.is_tensor(value) and value.numel() == 1}
        print(json.dumps({"id": request["id"], **numbers}), file=out, flush=True)
