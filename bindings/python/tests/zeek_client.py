"""Sends every kind of value, then 2000 numbers, to a Zeek with echo.zeek, and compares what comes back."""

import asyncio
import sys

from broccoli import *
from broccoli import Val

inner = record_type("a", "b", "c")
VALUES = (True, -5, count(2**64 - 1), 1.5, time(1126645547.25), interval(90.5), b"gr\xc3\xbcn \xff\xfe",
          enum(1, "Site::Colour"), port("22/tcp"), addr("2001:db8::1"), subnet("10.0.0.0/8"),
          record(inner, [count(1), None, addr("1.2.3.4")]), vector([count(1), count(2)]), set_(["x"]),
          set_([(count(1), "y")]), table({"k": addr("1.2.3.4")}))


def same(sent: object, came: object) -> bool:
    if isinstance(sent, enum):
        return sent.val[0] == came.val[0]
    if isinstance(sent, record):
        return all(same(a, b) for a, b in zip(sent, came))
    if isinstance(sent, bytes):
        return sent == came.encode("utf-8", "surrogateescape")
    return sent == came


async def main(address: str) -> None:
    bc = Connection(address, connect=False)
    bc.subscribe("Site::back", types=Val)
    bc.subscribe("Site::number")
    bc.subscribe("zeek_error")
    async with bc:
        bc.send("Site::there", *VALUES)
        back = await bc.__aiter__().__anext__()
        print(back.name, [came for sent, came in zip(VALUES, back.args) if not same(sent, came)])
        numbers: list = []
        while len(numbers) < 2000:
            for n in range(len(numbers), len(numbers) + 100):
                bc.send("Site::number", count(n))
            numbers += await some(bc, 100)
        print(numbers == list(range(2000)))


async def some(bc: Connection, n: int) -> list:
    got = []
    async for event in bc:
        got.append(event.args[0])
        if len(got) == n:
            break
    return got


asyncio.run(asyncio.wait_for(main(sys.argv[1]), 60))
