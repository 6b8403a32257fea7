"""One pass (`run`, `choice`, `judge`, `reconcile`, `record`), and what surrounds it.

Around a pass are hand edits, probation, renewed certificates, commits made on the host, requests of panels, the
operator's ways, and status. This folder knows nothing of sockets, of waiting, and of the command line.
"""
