#!/usr/bin/env python3
# make_data.py FOLDER - writes the Arrow files of tests/table/data with pyarrow: types that Theta converts, and some that
# it refuses. Run it again only to add cases; the files are kept with the tests, so that these need no pyarrow.
# SPDX-License-Identifier: Apache-2.0
import datetime
import pathlib
import sys

import pyarrow as pa
import pyarrow.ipc as ipc


def converted():
    moment = datetime.datetime(2024, 2, 29, 12, 30, 15)
    return pa.table({
        "u8": pa.array([0, 255, None], pa.uint8()),
        "u16": pa.array([0, 65535, None], pa.uint16()),
        "u32": pa.array([0, 4294967295, None], pa.uint32()),
        "u64": pa.array([0, 9223372036854775807, None], pa.uint64()),
        "large": pa.array(["", "grün", None], pa.large_string()),
        "view": pa.array(["short", "a text longer than twelve bytes", None], pa.string_view()),
        "dict": pa.array(["x", "y", None]).dictionary_encode(),
        "dict8": pa.DictionaryArray.from_arrays(pa.array([1, 0, 1], pa.uint8()), pa.array([10, None], pa.int64())),
        "s": pa.array([moment, None, moment], pa.timestamp("s")),
        "ms": pa.array([moment, None, moment], pa.timestamp("ms", tz="UTC")),
        "ns": pa.array([moment, None, moment], pa.timestamp("ns")),
        "date64": pa.array([moment.date(), None, datetime.date(1969, 12, 31)], pa.date64()),
        "nothing": pa.nulls(3),
        "flag": pa.array([True, None, False]),
    })


def packed(n=200):
    """Long enough that compressing makes each buffer but the incompressible one smaller."""
    noise = [(i * 2654435761 + 12345) * 6364136223846793005 % 2**61 for i in range(n)]
    return pa.table({
        "row": pa.array(range(n)),
        "noise": pa.array(noise),
        "shop": pa.array([None if i % 10 == 9 else f"shop number {i % 3}" for i in range(n)]),
        "kind": pa.array([["tea", "cup", "a pot of tea"][i % 3] for i in range(n)]).dictionary_encode(),
        "open": pa.array([i % 2 == 0 for i in range(n)]),
    })


def refused():
    return {
        "list": pa.table({"ok": [1], "xs": [[1, 2]]}),
        "decimal": pa.table({"price": pa.array([1], pa.decimal128(10, 2))}),
        "u64": pa.table({"big": pa.array([1, 2**63], pa.uint64())}),
        "finer": pa.table({"t": pa.array([1000, 1001], pa.timestamp("ns"))}),
        "time": pa.table({"t": pa.array([1], pa.time32("s"))}),
    }


def write(path, table, stream=False, options=None, batches=None):
    new = ipc.new_stream if stream else ipc.new_file
    with new(str(path), table.schema, options=options) as out:
        for batch in batches or table.to_batches():
            out.write_batch(batch)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    table = converted()
    write(folder / "converted.arrow", table)
    write(folder / "converted.arrows", table, stream=True)
    for name, bad in refused().items():
        write(folder / f"refused_{name}.arrow", bad)
    for codec in ("lz4", "zstd"):
        write(folder / f"compressed_{codec}.arrow", table, options=ipc.IpcWriteOptions(compression=codec))
    write(folder / "packed_lz4.arrow", packed(), options=ipc.IpcWriteOptions(compression="lz4"),
          batches=packed().to_batches(150))
    write(folder / "packed_zstd.arrows", packed(), stream=True, options=ipc.IpcWriteOptions(compression="zstd"))
    first = pa.record_batch({"d": pa.DictionaryArray.from_arrays([0, 1], ["a", "b"])})
    grown = pa.record_batch({"d": pa.DictionaryArray.from_arrays([2, 0], ["a", "b", "c"])})
    other = pa.record_batch({"d": pa.DictionaryArray.from_arrays([0, 0], ["z"])})
    write(folder / "delta.arrows", first, stream=True, batches=[first, grown, other],
          options=ipc.IpcWriteOptions(emit_dictionary_deltas=True))


if __name__ == "__main__":
    main()
