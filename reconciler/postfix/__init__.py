"""Postfix's own language: main.cf, master.cf, tables, macros, restriction lists, next hops and its vocabulary.

The input is text, and the output is values.

Invariant: it is pure, runs no program, and does not distinguish the desired state from a live file.
"""
