"""libgit2 as reconciler uses it; the only importer of pygit2.

It reads and writes objects on this host; what is exchanged with other hosts is git's part. At its import, pygit2 has
libgit2 read the certificates of all authorities, which takes 10 ms and 2 MiB, and fails on a host that has none. So the
places of certificates are others for that moment. Raises ImportError without pygit2.
"""

from __future__ import annotations

import os

_PLACES = {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": "/dev"}  # no file, and a folder without certificates
_given = {name: os.environ.get(name) for name in _PLACES}
os.environ.update(_PLACES)
try:
    import pygit2
    from pygit2.enums import ConfigLevel, FileMode, ObjectType, Option, RepositoryOpenFlag
finally:
    for _name, _value in _given.items():
        if _value is None:
            del os.environ[_name]
        else:
            os.environ[_name] = _value

__all__ = ["FileMode", "ObjectType", "RepositoryOpenFlag", "pygit2"]

# Reading repositories of other users is intended; only the repository's own configuration is read.
pygit2.option(Option.SET_OWNER_VALIDATION, 0)
# A pass reads each list of files once; with thousands of sites, libgit2 would keep some MiB of them for each handle.
pygit2.option(Option.ENABLE_CACHING, 0)
for _level in (ConfigLevel.SYSTEM, ConfigLevel.XDG, ConfigLevel.GLOBAL, ConfigLevel.PROGRAMDATA):
    pygit2.option(Option.SET_SEARCH_PATH, _level, "")
