# openl3, as stable-audio-metrics has it: music, mel256, 512 numbers a channel, a window every .5 s, a peak of -1 dB.
import json
import sys

import numpy as np
import openl3
import soundfile
import soxr

model = openl3.models.load_audio_embedding_model(input_repr="mel256", content_type="music", embedding_size=512)
vectors = {}
for request in map(json.loads, open(sys.argv[1])):
    samples, rate = soundfile.read(request["clip"], always_2d=True)
    samples *= 10 ** (-1 / 20) / max(np.abs(samples).max(), 1e-9)
    samples = soxr.resample(samples, rate, 44100)
    left, right = samples[:, 0], samples[:, -1]  # a mono clip is both
    sides = [
        openl3.get_audio_embedding(side, 44100, model=model, hop_size=0.5, verbose=False)[0] for side in (left, right)
    ]
    vectors[request["id"]] = np.concatenate(sides, axis=1)
np.savez(open(sys.argv[2], "wb"), **vectors)
