"""A file of the commit that Postfix's folder gets as it is. Raises nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.model.finding import UNWRITTEN, Where
from reconciler.model.tree import OTHERS, File


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedFile:
    """A file at *path* below the configuration directory; *source* is the file of the commit that it comes from.

    *type* is that of the table on a server that the file describes, as ``mysql``; it is empty for any other file.
    *link* is the path outside of Postfix's folder where a link leads to it, if there is one, and *link_where* the place
    in the desired state that says so.
    No representation shows the *content*, which may hold a password.
    """

    path: str
    content: bytes = field(repr=False)
    source: str
    mode: int = 0o644
    owner: str = "root:root"
    type: str = ""
    link: str = ""
    link_where: Where = UNWRITTEN

    @property
    def is_secret(self) -> bool:
        """Return whether only its owner and group may read it."""
        return not self.mode & OTHERS

    @property
    def where(self) -> Where:
        """Return the place of the file as a whole."""
        return Where(self.source)

    def at(self, line: int) -> Where:
        """Return the place in the desired state of one of its lines."""
        return Where(self.source) if self._is_sealed else Where(self.source, line)

    @property
    def reference(self) -> str:
        """Return the reference to the table that it describes; it is valid both in the stage and live."""
        return f"{self.type}:$config_directory/{self.path}"

    @property
    def file(self) -> File:
        """Return it as a file of a tree."""
        in_plain = self.is_secret and not self.type and not self._is_sealed
        return File.of(self.content, self.mode, self.owner, in_plain=in_plain, link=self.link)

    @property
    def _is_sealed(self) -> bool:
        return self.source.endswith(".age")
