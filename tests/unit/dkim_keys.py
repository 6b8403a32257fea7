"""Two private keys as DKIM has them, in PEM: to make one takes longer than most tests."""

from reconciler.host.pem import new_key

KEY, OTHER = new_key(), new_key()
