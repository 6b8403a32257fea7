"""A file belongs to a site by its path alone."""

from __future__ import annotations

import pytest

from reconciler.features.site_files import number_of, site_of


@pytest.mark.parametrize(
    ("path", "site"),
    [
        ("sites/site12/site.yaml", "site12"),
        ("sites/site12/tables/virtual", "site12"),
        ("sites/site12", "site12"),
        ("master.d/site12-in.cf", "site12"),
        ("flows/site12-all.yaml", "site12"),
        ("secrets/site12-login.age", "site12"),
        ("sites/site012/site.yaml", ""),
        ("master.d/site12.cf", ""),
        ("master.d/site12-in.txt", ""),
        ("flows/site12-all.yml", ""),
        ("mysites/site12/site.yaml", ""),
        ("tables/site12-rows", ""),
        ("mail.yaml", ""),
    ],
)
def test_a_path_names_its_site(path: str, site: str) -> None:
    assert site_of(path) == site


def test_sites_are_sorted_by_their_numbers() -> None:
    assert sorted(["site10", "site9"], key=number_of) == ["site9", "site10"]
