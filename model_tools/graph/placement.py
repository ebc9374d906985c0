"""`NetworkPlacement`: where a package's image lies inside the one that the network takes."""

from __future__ import annotations

from dataclasses import dataclass

ImageSize = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True, slots=True)
class NetworkPlacement:
    """An image of `package` size is resized to `content` and laid at `left`, `top`.

    Attributes:
        package: Size of the images that the packaged graph takes.
        network: Size of the images that the network takes.
        content: Size of the package's image inside the network's.
        left: Columns of padding before it.
        top: Rows of padding above it.
    """

    package: ImageSize
    network: ImageSize
    content: ImageSize
    left: int = 0
    top: int = 0

    @classmethod
    def letterboxed(
        cls, package: ImageSize, network: ImageSize, *, centred: bool
    ) -> NetworkPlacement:
        """Keeps the aspect and leaves the rest to padding.

        Centred as Ultralytics does it (nearest size, an odd row of padding goes below), else in the
        upper left corner as YOLOX does it (size rounded down).
        """
        factor = min(network[0] / package[0], network[1] / package[1])
        exact = (package[0] * factor, package[1] * factor)
        if not centred:
            # A hair more, lest 416.0 computed as 415.99 loses a column.
            width, height = (max(1, int(side + 1e-6)) for side in exact)
            return cls(package, network, (width, height))
        width, height = (max(1, round(side)) for side in exact)
        left, top = (network[0] - width) // 2, (network[1] - height) // 2
        return cls(package, network, (width, height), left, top)

    @property
    def scale(self) -> tuple[float, float]:
        """Network pixels per package pixel, across and down."""
        return self.content[0] / self.package[0], self.content[1] / self.package[1]

    @property
    def padding(self) -> tuple[int, int, int, int]:
        """Columns and rows of padding: left, top, right, bottom."""
        right = self.network[0] - self.content[0] - self.left
        bottom = self.network[1] - self.content[1] - self.top
        return self.left, self.top, right, bottom

    @property
    def is_identity(self) -> bool:
        """Whether the network takes the package's image as it is."""
        return self.package == self.network == self.content
