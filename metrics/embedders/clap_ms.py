"""Microsoft's CLAP of 2023, with a checkpoint that the user brings: audio and text in one space.

B. Elizalde, S. Deshmukh, H. Wang: Natural Language Supervision for General-Purpose Audio Representations. ICASSP 2024.
The package msclap 1.3.4 needs libraries that are years old, so its network is rewritten (`metrics.networks.clap_ms`)
and gives the package's vectors, up to the differences that ``docs/design/front-ends.md`` lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from bench.contracts.audio import Samples
from bench.contracts.embedder import Vectors
from bench.contracts.front_end import FrontEnd
from bench.errors import MissingError
from metrics.embedders.clap import HUB_ID
from metrics.embedders.front_ends import CLAP_MS, fixed_windows, own
from metrics.embedders.local_checkpoint import LocalCheckpoint
from metrics.embedders.tokenizer import load_tokenizer
from metrics.embedders.windows import WaveformEmbedder, finite
from metrics.networks.checkpoint import checkpoint_file, fill, load_state, required
from metrics.networks.clap_ms import POSITIONS, PROJECTED, Sizes, network, renamed

PUBLISHED = "CLAP_weights_2023.pth"
SOURCE = "https://huggingface.co/microsoft/msclap"


class ClapMS(LocalCheckpoint, WaveformEmbedder):
    """Microsoft's CLAP of 2023: 1024 numbers for each 7 s of mono audio at 44.1 kHz and −14 LUFS, and for each text.

    The last window is padded with zeros. As in the package, vectors are not of length 1.

    Args:
        checkpoint: path of ``CLAP_weights_2023.pth``, or the hub id ``microsoft/msclap``; by default the file in the
            working folder.
        tokenizer: folder or hub id of the GPT-2 tokenizer, for the text side only.
        device: where the network runs, as PyTorch writes it.
        batch_size: windows in one call of the network.
        front_end: how a published tool prepares the audio, instead of the above: ``msclap`` (7 s at a place that the
            audio's hash draws), ``fadtk`` or ``kadtk`` (7 s every second); or settings.
    """

    version = 1
    family = "clap-microsoft"
    dimension = PROJECTED
    provenance_params = frozenset({"checkpoint", "tokenizer", "device", "batch_size"})
    rate = 44_100
    window = 7.0
    own_front_end = own(window)
    decided_front_end = fixed_windows(window)
    sizes: ClassVar[Sizes] = Sizes()
    """Of the published network."""

    @classmethod
    def require(cls) -> None:
        required("torch", "diffusion")
        required("transformers", "diffusion", "ClapAudioModel", "GPT2Model", "GPT2Tokenizer")

    def __init__(
        self,
        checkpoint: str = PUBLISHED,
        tokenizer: str = "gpt2",
        device: str = "cpu",
        batch_size: int = 4,
        front_end: str | Mapping[str, Any] | None = None,
    ) -> None:
        self.checkpoint = checkpoint
        self.tokenizer = tokenizer
        self.device = device
        self.batch_size = batch_size
        self.front_end = front_end

    @property
    def front_ends(self) -> Mapping[str, FrontEnd]:
        return CLAP_MS

    def embed_text(self, texts: Sequence[str]) -> Vectors:
        torch, tokenizer = required("torch", "diffusion"), self._tokenizer
        tokens = tokenizer(
            [f"{text} <|endoftext|>" for text in texts],
            padding=True,
            truncation=True,
            max_length=POSITIONS,
            return_tensors="pt",
        ).to(self.device)
        with torch.inference_mode():
            vectors: Vectors = self._network.text(tokens["input_ids"], tokens["attention_mask"]).cpu().numpy()
        return finite(vectors, "clap-ms")

    def check_weights(self) -> None:
        self._place(local_only=True)

    def _vectors(self, windows: Samples) -> Vectors:
        torch = required("torch", "diffusion")
        with torch.inference_mode():
            vectors: Vectors = self._network.audio(torch.from_numpy(windows).to(self.device)).cpu().numpy()
        return vectors

    @property
    def _file(self) -> Path:
        return self._place(local_only=False)

    def _place(self, local_only: bool) -> Path:
        if not HUB_ID.fullmatch(self.checkpoint) or Path(self.checkpoint).expanduser().exists():
            return checkpoint_file(self.checkpoint, PUBLISHED, SOURCE)
        hub = required("huggingface_hub", "diffusion")
        try:
            return Path(hub.hf_hub_download(self.checkpoint, PUBLISHED, local_files_only=local_only))
        except (OSError, ValueError, hub.errors.HfHubHTTPError) as error:
            why = "it is downloaded on first use" if local_only else "the hub did not give it"
            raise MissingError(
                f"clap-ms: {PUBLISHED} of {self.checkpoint} is not on this machine; {why}; or download it from "
                f"{SOURCE} and give its path as the parameter 'checkpoint'"
            ) from error

    @cached_property
    def _tokenizer(self) -> Any:
        tokenizer = load_tokenizer(self.tokenizer, self.sizes.words, local_only=False, kind="GPT2Tokenizer")
        tokenizer.add_special_tokens({"pad_token": "!"})
        return tokenizer

    @cached_property
    def _network(self) -> Any:
        file = self._file
        return fill(network(self.sizes), renamed(load_state(file, "model")), file).to(self.device)
