"""The tests that every plug-in of a kind passes, for files of your own too.

    from appcore.testing.plugin_suites import PrunerSuite

    class TestMine(PrunerSuite):
        names = ("mine",)

A suite without `names` tests every choice of its kind. `APPCORE_PLUGINS=DIR python -m pytest --pyargs appcore.testing.test_plugins` tests
all that there are, those of a folder included. Needs pytest.
"""

from pytest import register_assert_rewrite

register_assert_rewrite(*(f"{__name__}.{module}" for module in ("launcher_suite", "plugin_suites")))  # a failure says what was compared
