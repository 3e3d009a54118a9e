"""A Ray cluster of two nodes on this machine, each with processes of its own."""

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Cluster]":
    """Two nodes with a CPU each; RAY_ADDRESS holds the address meanwhile."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # The nodes' processes take their environment from here, and must find this interpreter's packages and tests.
        patch.setenv("PYTHONPATH", os.pathsep.join([os.getcwd(), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]))
        patch.setenv("PATH", os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("AUTOTTS_CACHE", str(tmp_path_factory.mktemp("node-cache")))
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        try:
            made.add_node(num_cpus=1)
            made.wait_for_nodes()
            patch.setenv("RAY_ADDRESS", made.address)
            yield made
        finally:
            made.shutdown()
