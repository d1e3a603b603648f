"""The base of the suites: a test with an argument `name` is run for each choice of a kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pytest

from .. import plugins


class Suite:
    """Tests of one kind of plug-in; of all choices where `names` is empty."""

    kind: ClassVar[str]
    names: ClassVar[Sequence[str]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run every test that takes `name`, itself or through a fixture, once for each choice."""
        if "name" in metafunc.fixturenames:
            metafunc.parametrize("name", self.names or sorted(plugins.choices(self.kind)))
