"""Refused connections as the kernel reports them."""

from __future__ import annotations

from reconciler.daemon.egress_log import attributes, messages, refusal

# What the kernel sent for `connect(192.0.2.77:25)` by nobody, and for `nft add rule inet reconciler output accept`.
REPORTED = bytes.fromhex(
    "7c000000000400000000000000000000020009dd080001000800030005000a0000000000080005000000000308000b000000"
    "fffe08000e000000fffe400009004500003ccd5f40004006e904c000020ac000024dd45a00195d15229e00000000a002faf0"
    "84860000020405b40402080a62862d8a000000000103030a"
)
ADDED = bytes.fromhex(
    "70000000060a000c010000003f000000010000030f0001007265636f6e63696c657200000b0002006f757470757400000c00"
    "0300000000000000000b34000400300001000e000100696d6d6564696174650000001c000200080001000000000010000200"
    "0c0002000800010000000001"
)


def test_what_the_kernel_tells_is_read() -> None:
    ((kind, body),) = messages(REPORTED)
    found = refusal(body)

    assert (kind, found.uid, found.to) == (0x400, 65534, "[192.0.2.77]:25")
    told_of = next(attributes(body)[1] for _, body in messages(ADDED))
    assert told_of == b"reconciler\0"


def test_half_a_message_is_no_trouble() -> None:
    for length in range(len(REPORTED)):
        for _, body in messages(REPORTED[:length]):
            refusal(body)
