"""The candidate as a real Postfix where it can reach nothing."""
