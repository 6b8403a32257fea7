"""All features contribute in their order, and the package imports none of them before they are asked for."""

from __future__ import annotations

import subprocess
import sys

from reconciler.features.composition import FEATURES, compose
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST

ONE = "import sys; from reconciler.features.site_files import site_of; print(*sys.modules)"


def test_a_table_is_named_by_its_place_and_what_is_no_table_stays() -> None:
    state = desired({"virtual_alias_maps": "table:virtual, table:nosuch"})

    assert compose(state, HOST).parameters["virtual_alias_maps"].value == (
        "lmdb:$config_directory/virtual, table:nosuch"
    )


def test_what_people_write_under_parameters_prevails() -> None:
    assert FEATURES[-1].SECTION == "parameters"
    assert compose(desired({"virtual_alias_maps": ""}), HOST).parameters["virtual_alias_maps"].value == ""


def test_who_needs_one_module_imports_no_other_feature() -> None:
    done = subprocess.run([sys.executable, "-c", ONE], capture_output=True, text=True, check=True)

    imported = set(done.stdout.split())
    assert {name for name in imported if name.startswith("reconciler.features")} == {
        "reconciler.features", "reconciler.features.site_files",
    }  # fmt: skip
    assert "pydantic" not in imported
