"""libavcodec, through PyAV: the one place that imports it.  Its errors become ``ValueError``.

It is loaded by whoever decodes: the process that receives packets knows codecs by name only.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np

from telephony.rtp.codecs.codec import Samples

if TYPE_CHECKING:
    import av

# Samples a second of finished files: speech is not slower; what is faster is brought down to the fastest.
SLOWEST, FASTEST = 8000, 48000


class LibavDecoder:
    """One decoder with its state, opened when it is needed: many are only asked how long payloads are.

    ``rate`` is what it gives, in samples a second, mono.
    """

    def __init__(self, name: str, rate: int, **options: int) -> None:
        self._name, self._rate, self._options = name, rate, options
        self._context: av.AudioCodecContext | None = None

    def decode(self, data: bytes, expected: int) -> Samples:
        """The sound of whole frames; ``ValueError`` unless it is as many samples as expected."""
        import av

        # An empty packet would tell libavcodec that the stream has ended.
        if not data:
            return np.zeros(0, np.int16)
        context = self._context = self._context or _open(self._name, "r", self._rate, self._options)
        try:
            frames = context.decode(av.Packet(data))
        except av.error.FFmpegError:
            # Nothing of this packet may come out with the next one.
            context.flush_buffers()
            raise ValueError("libavcodec cannot decode the payload") from None
        sound = np.concatenate([_samples(frame) for frame in frames] or [np.zeros(0, np.int16)])
        if len(sound) != expected:
            raise ValueError("libavcodec decoded another length than the payload says")
        return sound


def _samples(frame: "av.AudioFrame") -> Samples:
    """Mono: packed and planar are the same.  The plane is longer than its samples."""
    plane = memoryview(frame.planes[0])
    if frame.format.name.startswith("s16"):
        return np.frombuffer(plane, np.int16, frame.samples)
    loud = np.frombuffer(plane, np.float32, frame.samples) * np.float32(32768)
    rounded: Samples = np.clip(np.rint(loud), -32768, 32767).astype(np.int16)
    return rounded


def _open(
    name: str, direction: Literal["r", "w"], rate: int, options: Mapping[str, int | str]
) -> "av.AudioCodecContext":
    import av

    context = av.CodecContext.create(name, direction)
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout = rate, "mono"
    context.options = {key: str(value) for key, value in options.items()}
    if direction == "w":
        context.format = "s16"
    context.open()
    return context


def encode(name: str, rate: int, sound: Samples, **options: int | str) -> list[bytes]:
    """A whole sound as libavcodec's packets; an encoder that looks ahead gives one packet more."""
    import av

    if not len(sound):
        return []
    context = _open(name, "w", rate, options)
    frame = av.AudioFrame.from_ndarray(sound[np.newaxis, :], format="s16", layout="mono")
    frame.sample_rate = rate
    return [bytes(packet) for given in (frame, None) for packet in context.encode(given)]


class FileDecoder:
    """A finished sound file of a known container; ``rate`` (at most ``FASTEST``) and ``channels`` (1 or 2) are those of
    what it gives.  ``ValueError`` with a reason when the file cannot be opened.

    The container is never guessed and the file is the only thing read: some formats of libavformat name other files
    and addresses."""

    def __init__(self, source: BinaryIO, container: str) -> None:
        import av

        try:
            self._container = av.open(source, "r", format=container, options={"probesize": "262144"})
        except (av.error.FFmpegError, OSError):
            raise ValueError("the file's header cannot be read") from None
        streams = self._container.streams.audio
        if len(streams) != 1:
            raise ValueError("the file does not hold exactly one sound stream")
        self._stream = streams[0]
        context = self._stream.codec_context
        self.codec, self.channels = str(context.name), int(context.channels)
        if self.channels not in (1, 2):
            raise ValueError("the sound is neither mono nor stereo")
        if not SLOWEST <= context.sample_rate <= 4 * FASTEST:
            raise ValueError("the sample rate is not one of speech")
        self.rate = min(int(context.sample_rate), FASTEST)

    def __enter__(self) -> "FileDecoder":
        return self

    def __exit__(self, *_error: object) -> None:
        self._container.close()

    def stretches(self) -> Iterator[Samples]:
        """Each piece as samples × channels, as it is decoded; ``ValueError`` at what cannot be decoded."""
        import av

        layout = "mono" if self.channels == 1 else "stereo"
        resampler = av.AudioResampler(format="s16", layout=layout, rate=self.rate)
        try:
            for packet in self._container.demux(self._stream):
                for frame in packet.decode():
                    yield from self._arrays(resampler.resample(frame))
            yield from self._arrays(resampler.resample(None))
        except av.error.FFmpegError:
            raise ValueError("the sound cannot be decoded to its end") from None

    def _arrays(self, frames: "Iterable[av.AudioFrame]") -> Iterator[Samples]:
        for frame in frames:
            plane = np.frombuffer(memoryview(frame.planes[0]), np.int16, frame.samples * self.channels)
            yield plane.reshape(-1, self.channels)
