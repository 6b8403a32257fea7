"""Postfix's own language: main.cf, master.cf, tables, macros, restriction lists, next hops and its vocabulary.

Text goes in, values come out.

Invariant: it is pure, runs no program, and cannot tell the desired state from a live file.
"""
