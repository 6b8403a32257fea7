"""Postfix's own language: main.cf, master.cf, tables, macros, restriction lists, next hops and its vocabulary.

Pure. Text goes in, values come out. This folder knows the words and nothing else of reconciler: it cannot tell the
desired state from a live file, and it runs no program.
"""
