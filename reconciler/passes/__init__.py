"""One pass (`run`, `choice`, `judge`, `check`, `reconcile`, `record`), and what surrounds it.

Around a pass are hand edits, probation, renewed certificates, commits made on the host, requests of panels, the
operator's commands, and status.

Invariant: it knows nothing of sockets, of waiting and of the command line.
"""
