# Audiobox Aesthetics: CE content enjoyment, CU content usefulness, PC production complexity, PQ production quality.
import json
import sys

import soundfile
import torch
from audiobox_aesthetics.infer import initialize_predictor

predictor = initialize_predictor()
with open(sys.argv[2], "w") as out:
    for request in map(json.loads, open(sys.argv[1])):
        samples, rate = soundfile.read(request["clip"], dtype="float32", always_2d=True)
        (axes,) = predictor.forward([{"path": torch.from_numpy(samples.T.copy()), "sample_rate": rate}])
        print(json.dumps({"id": request["id"], **axes}), file=out, flush=True)
