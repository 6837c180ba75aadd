"""How much of a clip is silent."""

from bench import ClipMetric, DecodedClip, Score


class SilenceShare(ClipMetric):
    """Percent of the clip's samples below −60 dB full scale."""

    unit = "%"
    direction = "lower"
    cannot_tell = "a rest that is meant from a model that stopped"

    def score(self, clip: DecodedClip) -> Score:
        return Score.of(100 * float((abs(clip.audio.mono()) < 1e-3).mean()))
