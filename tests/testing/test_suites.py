"""The contract of every kind of plug-in, for each choice of this package: the suites that plug-ins of others are tested by too."""

import pytest

from appcore.testing.test_plugins import (  # noqa: F401
    TestDatasets,
    TestLaunchers,
    TestMethods,
    TestModels,
    TestPruners,
    TestSchedules,
    test_no_plug_in_was_left_out,
)

pytestmark = pytest.mark.thorough
