import numpy as np
import pytest
from dask.base import compute
from dask.delayed import delayed
from distributed import LocalCluster

from lczmap.parallel import dask_scheduler

pytestmark = pytest.mark.server


def _process(_: int) -> int:
    import os

    return os.getpid()


def test_threads_run_in_this_process() -> None:
    import os

    for threads in (1, 2):
        with dask_scheduler(threads=threads):
            assert set(compute(*(delayed(_process)(i) for i in range(4)))) == {os.getpid()}


def test_a_cluster_of_processes_gives_the_same_stack(tmp_path) -> None:
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parent / "scenes"))
    from tiny_archive import VEGETATION, make_grid, noise, optical_scene

    from lczmap.grid import tiles
    from lczmap.scenes.overpass import measure_usable
    from lczmap.scenes.stack import stack_sentinel2

    grid = make_grid(320, 320)
    paints = {band: noise(i, 0.01, 1) for i, band in enumerate(VEGETATION)}
    scenes = [
        optical_scene(tmp_path, paints, id=f"d{d}", day=f"2024-06-0{d}", width_m=4800, cloud=lambda x, _y: x < 0)
        for d in (1, 2)
    ]
    scenes = measure_usable(scenes, grid)
    with dask_scheduler(threads=2):
        stack_sentinel2(scenes, grid, tiles(grid)[0], tmp_path / "threads.tif")
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        dask_scheduler(cluster.scheduler_address),
    ):
        import os

        assert os.getpid() not in compute(*(delayed(_process)(i) for i in range(4)))
        stack_sentinel2(scenes, grid, tiles(grid)[0], tmp_path / "cluster.tif")
    assert (tmp_path / "threads.tif").read_bytes() == (tmp_path / "cluster.tif").read_bytes()
    assert np.asarray((tmp_path / "threads.tif").stat().st_size) > 1000


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lczmap.parallel.CONNECT_TIMEOUT_S", 0.5)
    with (
        pytest.raises(ValueError, match=r"dask scheduler tcp://127\.0\.0\.1:9: no answer"),
        dask_scheduler("tcp://127.0.0.1:9"),
    ):
        pass
