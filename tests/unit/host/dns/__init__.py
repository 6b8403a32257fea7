"""The tests of reconciler/host/dns/."""
