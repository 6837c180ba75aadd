# Word error rate where the prompt is the text that is sung; the third argument is Whisper's model, or its file.
import json
import sys

import jiwer
import soundfile
import soxr
import whisper
from whisper.normalizers import BasicTextNormalizer

model, plain = whisper.load_model(sys.argv[3]), BasicTextNormalizer()
with open(sys.argv[2], "w") as out:
    for request in map(json.loads, open(sys.argv[1])):
        samples, rate = soundfile.read(request["clip"], dtype="float32", always_2d=True)
        mono = soxr.resample(samples.mean(axis=1), rate, 16000)
        sung = model.transcribe(mono, temperature=0)["text"]
        text = plain(request["prompt"] or "")
        answer = {"wer": jiwer.wer(text, plain(sung))} if text.strip() else {"undefined": "no text to sing"}
        print(json.dumps({"id": request["id"], **answer}), file=out, flush=True)
