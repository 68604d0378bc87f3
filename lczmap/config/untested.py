"""Why the areas of a city test none of its maps, in words."""

from __future__ import annotations

from lczmap.config.run import Config

_REMEDIES = (
    "so that none is left to test the map and there are no figures of accuracy on polygons. To get some, set "
    "`training.test` above 0, such as 0.25, and run again; or label cells drawn at random of this very map (`lczmap "
    "sample`, then `lczmap assess`)."
)


def untested(config: Config) -> str | None:
    """Say why no area tests a map of the run and how to get figures; None where areas do, or where there are none."""
    if config.areas_test or not config.has_labels:
        return None
    if not config.learns_from_own_areas:
        return (
            "No training area was kept for testing (`training.test: 0`), and a ready network of the run may have "
            f"learned from any of them, {_REMEDIES}"
        )
    taught = "training or validation" if config.training.validation else "training"
    return f"Every training area was used for {taught} (`training.test: 0`), {_REMEDIES}"
