"""What runs inside a rehearsal's namespaces, by the standard library alone: it starts in a tenth of a second.

`play` is the program: it builds the `room` (a root made from nothing), the `world` (another network that is the whole
Internet: name server and mail servers), and the `partners` (Milters, policy and SASL servers), starts the candidate's
own master(8) and `talk`s with it. It reads a script as JSON on standard input and writes a report on standard output;
it judges nothing.
"""
