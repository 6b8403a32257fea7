"""What runs inside a rehearsal's namespaces, by the standard library alone: it starts in a tenth of a second.

`play` is the program. It reads a Request as JSON on standard input and writes an Answer on standard output
(`messages`). It builds the `room` (a root made from nothing), the `world` (the whole Internet, with a name server and a
`mailserver`, on another `network`) and `stand_ins` (for Milters, policy and SASL servers), starts the candidate's own
`master` and holds `dialogues` with it; a `talk` is one of them, over the `smtp_client`. The `log` says when all
`deliveries` are over. It judges nothing, and knows nothing of the rest of reconciler.
"""
