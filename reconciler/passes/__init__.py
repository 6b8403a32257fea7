"""One pass (`run`, `choice`, `understand`, `judge`, `check`, `reconcile`, `record`), and the work around it.

The work around a pass is hand edits, probation, renewed certificates, commits made on the host, requests of panels, the
operator's commands, and status.

Invariant: it knows nothing of sockets, of waiting and of the command line.
"""
