"""`CostModel`: what a camera costs on one machine, in cores, from parts that were measured there.

A camera costs what its video costs to receive and to decode, image by image, whatever is made of
it; what a frame costs that is analysed, from the mailbox through tracker and rules; the inferences
of that frame; and a little that depends on neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from camera_adapters import Size, VideoCost
from pipelines import CameraPlan

BASE_CORES: Final = 0.05
"""What a city needs without cameras: Ray's processes, director and control API. Measured with
`cityeye bench scale` on two cores of an AMD EPYC; docs/performance.md has the table."""

BITS_PER_PIXEL: Final = 4e6 / (1920 * 1080 * 25)
"""Of a stream whose bit rate is not known: 4 Mbit/s for 1080p at 25 images per second."""


@dataclass(frozen=True, slots=True)
class StreamShape:
    """What a camera sends.

    Attributes:
        size: Size of its images.
        fps: Images per second.
        codec: `h264` or `h265`.
        megabits_per_s: Bit rate; what is usual for so many pixels if None.
    """

    size: Size
    fps: float
    codec: str = "h264"
    megabits_per_s: float | None = None

    @property
    def megapixels(self) -> float:
        """Of one image."""
        return self.size.width * self.size.height / 1e6

    @property
    def megabits(self) -> float:
        """Of one coded image."""
        if self.megabits_per_s is None:
            return self.megapixels * BITS_PER_PIXEL
        return self.megabits_per_s / self.fps

    def __str__(self) -> str:
        """For people."""
        return f"{self.size} at {self.fps:g} images/s in {self.codec}"


@dataclass(frozen=True, slots=True)
class VideoPrice:
    """What an image of one codec costs up to its decoding, seconds of one core.

    Attributes:
        image_s: Of any image.
        megapixel_s: Of each megapixel.
        megabit_s: Of each megabit.
    """

    image_s: float
    megapixel_s: float
    megabit_s: float

    @classmethod
    def through(cls, small: VideoCost, large: VideoCost, noisy: VideoCost) -> VideoPrice:
        """The price that three measured clips agree with.

        Args:
            small: Small images without noise.
            large: Large images without noise.
            noisy: As large, with noise, so that there are more bits.
        """
        costs = [one.receive_s + one.decode_s for one in (small, large, noisy)]
        more_bits = noisy.megabits - large.megabits
        megabit_s = max(0.0, costs[2] - costs[1]) / more_bits if more_bits > 0 else 0.0
        rest_small = costs[0] - megabit_s * small.megabits
        rest_large = costs[1] - megabit_s * large.megabits
        more_pixels = large.megapixels - small.megapixels
        megapixel_s = max(0.0, rest_large - rest_small) / more_pixels
        image_s = max(0.0, rest_small - megapixel_s * small.megapixels)
        return cls(image_s, megapixel_s, megabit_s)

    def of(self, megapixels: float, megabits: float) -> float:
        """Seconds of one core for one image."""
        return self.image_s + self.megapixel_s * megapixels + self.megabit_s * megabits


@dataclass(frozen=True, slots=True)
class ModelCost:
    """What an inference of one version costs.

    Attributes:
        core_s: Processor time, seconds of one core; with a GPU what the host does for it.
        gpu_s: Time of all GPUs of the machine together, seconds; 0 on a processor.
        local: Whether it is run in the process of the cameras.
    """

    core_s: float
    gpu_s: float = 0.0
    local: bool = True


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is asked of one camera's frames.

    Attributes:
        fps: Frames per second that are analysed.
        inferences: Inferences per second by `name/version`, shadows included.
    """

    fps: float
    inferences: Mapping[str, float]

    @classmethod
    def of(cls, plan: CameraPlan) -> Analysis:
        """The most that a camera's plan asks for. Tasks of one version share its inferences."""
        rates: dict[str, float] = {}
        for task in plan.tasks:
            for model in filter(None, (task.model, task.shadow)):
                rates[model.key] = max(rates.get(model.key, 0.0), task.most_fps)
        return cls(max(task.most_fps for task in plan.tasks), rates)


@dataclass(frozen=True, slots=True)
class CameraCost:
    """What one camera needs: cores, and a share of the machine's GPUs."""

    cores: float
    gpu: float = 0.0


@dataclass(frozen=True, slots=True)
class CostModel:
    """What everything costs on one machine.

    Attributes:
        machine: What the machine is, see `machine_name`.
        cores: Cores that a city may use there.
        video: Prices of video by codec.
        reading_s: Of each decoded image beside that: its capture time, the mailbox.
        conversions: Seconds of a conversion by the size of the full image, `1920x1080`.
        frame_s: Of each analysed frame beside conversion and inference: taking it, tracker, rules.
        camera_cores: Cores of each camera beside all of that.
        models: What inferences cost by `name/version`.
        spread: Half the distance of the least and the greatest sample from each other, as a share
            of their median.
    """

    machine: str
    cores: float
    video: Mapping[str, VideoPrice]
    reading_s: float
    conversions: Mapping[str, float]
    frame_s: float
    camera_cores: float
    models: Mapping[str, ModelCost] = field(default_factory=dict)
    spread: float = 0.0

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those of some `name/version` whose cost was not measured."""
        return sorted(set(keys) - self.models.keys())

    def reading_cores(self, stream: StreamShape) -> float:
        """Cores that it takes to receive and decode a stream."""
        price = self.video[stream.codec]
        return stream.fps * (price.of(stream.megapixels, stream.megabits) + self.reading_s)

    def receiving_cores(self, stream: StreamShape) -> float:
        """Cores that it takes at most to receive a stream that is not decoded.

        What its bits cost was measured together with decoding them.
        """
        price = self.video[stream.codec]
        return stream.fps * (price.megabit_s * stream.megabits + self.reading_s)

    def conversion_s(self, size: Size) -> float:
        """Seconds of one core to make an analysis image of a full one.

        A size that was not measured costs what the next larger one does, or as many times what the
        largest does as it has its pixels.
        """
        if str(size) in self.conversions:
            return self.conversions[str(size)]
        pixels = size.width * size.height
        known = {_pixels(name): cost for name, cost in self.conversions.items()}
        larger = [one for one in known if one >= pixels]
        if larger:
            return known[min(larger)]
        return known[max(known)] * pixels / max(known)

    def camera(self, stream: StreamShape, analysis: Analysis) -> CameraCost:
        """What a camera needs whose stream is known.

        Raises:
            KeyError: A version was not measured, see `missing`.
        """
        return self.analysed(self.reading_cores(stream), stream.size, analysis)

    def analysed(self, reading_cores: float, size: Size, analysis: Analysis) -> CameraCost:
        """What a camera needs of which is known how many cores it takes to read it.

        Raises:
            KeyError: A version was not measured, see `missing`.
        """
        frame_s = self.frame_s + self.conversion_s(size)
        cores = reading_cores + self.camera_cores + analysis.fps * frame_s
        gpu = 0.0
        for key, fps in analysis.inferences.items():
            cores += fps * self.models[key].core_s
            gpu += fps * self.models[key].gpu_s
        return CameraCost(cores, gpu)


def _pixels(size: str) -> int:
    width, _, height = size.partition("x")
    return int(width) * int(height)
