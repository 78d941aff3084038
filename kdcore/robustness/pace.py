"""How far an assessment is and how long it will take, from the measured times of making images and of each network."""

import time
from collections.abc import Callable, Iterable, Mapping


class Pace:
    """Images done and left. Making a set's images and each network's forward pass are timed apart, so that sets of different
    cost do not make the time left jump."""

    def __init__(
        self, images: Mapping[str, int], networks: Iterable[str], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """`images`: condition -> its number of images; `networks`: those that see each of them; `clock`: in seconds."""
        self.clock = clock
        self._left = dict(images)
        self._networks = list(networks)
        self.total = sum(images.values())
        self._seen: dict[str, int] = dict.fromkeys(images, 0)
        self._making: dict[str, float] = dict.fromkeys(images, 0.0)
        self._passing: dict[str, float] = dict.fromkeys(self._networks, 0.0)
        self._passed: dict[str, int] = dict.fromkeys(self._networks, 0)

    @property
    def making(self) -> dict[str, float]:
        """Condition -> seconds in which its images were made."""
        return dict(self._making)

    @property
    def passing(self) -> dict[str, float]:
        """Network -> seconds of its forward passes."""
        return dict(self._passing)

    @property
    def done(self) -> int:
        return self.total - sum(self._left.values())

    def made(self, condition: str, seconds: float) -> None:
        """A batch of a condition was made."""
        self._making[condition] += seconds

    def passed(self, network: str, seconds: float) -> None:
        """A batch went through a network."""
        self._passing[network] += seconds

    def finished(self, condition: str, images: int, networks: Iterable[str]) -> None:
        """A batch has been seen by these networks."""
        self._left[condition] -= images
        self._seen[condition] += images
        for network in networks:
            self._passed[network] += images

    def resized(self, condition: str, images: int) -> None:
        """A condition has another number of images than was thought."""
        self.total += images - self._left[condition]
        self._left[condition] = images

    def known(self, condition: str) -> None:
        """A condition need not be computed."""
        self.total -= self._left[condition]
        self._left[condition] = 0

    def seconds_left(self) -> float | None:
        """None before the first batch is complete."""
        seen = sum(self._seen.values())
        if not seen:
            return None
        usual = sum(self._making.values()) / seen
        passing = sum(
            self._passing[network] / self._passed[network] for network in self._networks if self._passed[network]
        )
        left = 0.0
        for condition, images in self._left.items():
            seen_here = self._seen[condition]
            making = self._making[condition] / seen_here if seen_here else usual
            left += images * (making + passing)
        return left
