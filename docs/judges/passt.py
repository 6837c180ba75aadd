# PaSST: logits of AudioSet's 527 classes in windows of 10 s, one every 5 s, of audio with a peak of -1 dB.
import json
import sys

import numpy as np
import soundfile
import soxr
import torch
from hear21passt.base import get_basic_model

torch.stft = lambda *a, real=torch.stft, **k: torch.view_as_real(real(*a, **{**k, "return_complex": True}))
model = get_basic_model(mode="logits").eval()
vectors, rate, step = {}, 32000, 5 * 32000
for request in map(json.loads, open(sys.argv[1])):
    samples, own_rate = soundfile.read(request["clip"], dtype="float32", always_2d=True)
    mono = soxr.resample(samples.mean(axis=1), own_rate, rate)
    mono *= 10 ** (-1 / 20) / max(np.abs(mono).max(), 1e-9)
    windows = [mono[start : start + 2 * step] for start in range(0, max(step, len(mono) - step), step)]
    windows = [np.pad(window, (0, 2 * step - len(window))) for window in windows if len(window) > 1.5 * rate]
    with torch.no_grad():
        logits = [model(torch.from_numpy(window)[None])[0].numpy() for window in windows]
    vectors[request["id"]] = np.array(logits, dtype=np.float32).reshape(-1, 527)
np.savez(open(sys.argv[2], "wb"), **vectors)
