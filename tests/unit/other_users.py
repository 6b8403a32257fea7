"""Another user of this machine, for tests of what he may do."""

NOBODY = 65534
