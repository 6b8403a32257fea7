"""The limits of one commit: what its author may ask of a host. They fit 10,000 sites, and a table of 2,000,000 entries.

The readers enforce them, and every rule's work grows with them in proportion at most. A commit beyond a limit is
refused with a lasting finding that names the limit. Raises nothing.

Known limit: SECONDS are looked at between two findings, rules and files, and not within a rule.
"""

from __future__ import annotations

# ---- the repository: objects and files ----

OBJECT_BYTES = 8 << 20
"""The size of a commit, a tag or a list of files."""
BYTES = 192 << 20
"""The size of all files of a commit; the same content under two names counts twice."""
ENTRIES = 200_000
"""The files and folders of a commit."""
PATH = 1024
"""The characters of a path."""

# ---- YAML ----

YAML_BYTES = 1 << 20
"""The size of one YAML file."""
DEPTH = 16
"""How deeply values may be nested."""
VALUES = 100_000
"""The values of one YAML file, where each use of an alias counts."""
ALL_VALUES = 600_000
"""The values of all YAML files."""
MERGED_VALUES = 2_000_000
"""The values of all files of other hosts, each merged with mail.yaml."""

# ---- main.cf, master.cf and tables ----

SERVICES_BYTES = 8 << 20
"""The size of all files in master.d."""
VALUE = 256 << 10
"""The characters of a parameter's value after all names in it are expanded."""
ALL_EXPANDED = 16 << 20
"""The characters of all values, expanded."""
READ_BY_SERVICES = 128 << 20
"""The characters of the longest value, once for each service that may read it."""
LINES = 4_000_000
"""The lines of all tables."""
LINE = 256 << 10
"""The characters of an entry of a table, with its continuation lines."""

# ---- DNS ----

TEMPLATES = 32
"""The templates in dns/."""
RENDERED = 64 << 10
"""The characters that all templates make for one domain."""

# ---- findings and time ----

FINDINGS = 10_000
"""The findings of a commit; beyond it nobody looks for more."""
LISTED = 1_000
"""The findings that are shown and recorded; the others are counted."""
TEXT = 2_000
"""The characters of a finding's text."""
SECONDS = 60.0
"""The processor time to load a commit, and again to judge it."""
