"""A file of the commit that Postfix's folder gets as it is."""

from __future__ import annotations

from reconciler.model import DeployedFile, Where


def test_a_file_knows_its_place_and_does_not_show_its_content() -> None:
    made = DeployedFile(path="people", content=b"bind_pw = geheim\n", source="tables/people.ldap", type="ldap")

    assert (made.at(3), made.where) == (Where("tables/people.ldap", 3), Where("tables/people.ldap"))
    assert made.reference == "ldap:$config_directory/people"
    assert (made.file.mode, made.file.owner, made.is_secret) == (0o644, "root:root", False)
    assert "geheim" not in repr(made)


def test_a_sealed_file_has_no_lines_in_the_commit() -> None:
    made = DeployedFile(path="x", content=b"a\nb\n", source="files/x.age", mode=0o640, owner="root:postfix")

    assert (made.at(2), made.is_secret) == (Where("files/x.age"), True)


def test_only_what_the_commit_has_in_plain_text_and_hides_on_the_host_is_in_plain() -> None:
    def of(source: str, mode: int, kind: str = "") -> bool:
        return DeployedFile(path="x", content=b"", source=source, mode=mode, type=kind).file.in_plain

    assert of("files/x", 0o750)
    assert not of("files/x", 0o755)
    assert not of("files/x.age", 0o640)
    assert not of("tables/x.mysql", 0o640, "mysql")


def test_a_file_of_a_tree_has_the_link() -> None:
    made = DeployedFile(path="x", content=b"", source="files/x", link="/etc/policyd/x")

    assert made.file.link == "/etc/policyd/x"
    assert made.file != DeployedFile(path="x", content=b"", source="files/x").file
