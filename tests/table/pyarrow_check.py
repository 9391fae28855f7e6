#!/usr/bin/env python3
# pyarrow_check.py TABLECONV [SEED] - the table room against pyarrow: Arrow files and streams both ways, and CSV against
# pyarrow's reader, on random tables. Exits 77 (skipped) when pyarrow is not installed.
# SPDX-License-Identifier: Apache-2.0
import datetime
import pathlib
import random
import subprocess
import sys
import tempfile

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pacsv
    import pyarrow.ipc as ipc
except ImportError:
    print("pyarrow is not installed: skipped")
    sys.exit(77)

TEXTS = ["", "plain", "with, comma", 'a "quote"', "two\nlines", "grün", "日本語", "x" * 40, " spaces "]
EPOCH = datetime.datetime(1970, 1, 1)


def values(kind, n, rng):
    """n random values of an Arrow type, about one in eight of them null."""
    def one():
        if rng.random() < 0.125:
            return None
        if kind == pa.null():
            return None
        if kind == pa.bool_():
            return rng.random() < 0.5
        if pa.types.is_integer(kind):
            low, high = -(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1
            if pa.types.is_unsigned_integer(kind):
                low, high = 0, min(2 ** kind.bit_width, 2**63) - 1
            return rng.choice([low, high, rng.randint(low, high), rng.randint(0, 100)])
        if pa.types.is_floating(kind):
            return rng.choice([0.0, -1.5, rng.random() * 1e6, 0.1, 3.0])
        if pa.types.is_date(kind):
            return (EPOCH + datetime.timedelta(days=rng.randint(-30000, 60000))).date()
        if pa.types.is_timestamp(kind):
            whole = EPOCH + datetime.timedelta(seconds=rng.randint(-(2**31), 2**32))
            return whole + datetime.timedelta(microseconds=0 if kind.unit == "s" else rng.randint(0, 999) * 1000)
        return rng.choice(TEXTS)
    return [one() for _ in range(n)]


# What each type becomes; None: it stays.
KINDS = [(pa.bool_(), None), (pa.int8(), None), (pa.int16(), None), (pa.int32(), None), (pa.int64(), None),
         (pa.float32(), None), (pa.float64(), None), (pa.string(), None), (pa.date32(), None), (pa.null(), None),
         (pa.timestamp("us"), None), (pa.uint8(), pa.int16()), (pa.uint16(), pa.int32()), (pa.uint32(), pa.int64()),
         (pa.uint64(), pa.int64()), (pa.large_string(), pa.string()), (pa.string_view(), pa.string()),
         (pa.date64(), pa.date32()), (pa.timestamp("s"), pa.timestamp("us")), (pa.timestamp("ms"), pa.timestamp("us")),
         (pa.timestamp("ns"), pa.timestamp("us")), (pa.dictionary(pa.int8(), pa.string()), pa.string()),
         (pa.dictionary(pa.uint32(), pa.string()), pa.string())]


def random_table(rng):
    kinds = [rng.choice(KINDS) for _ in range(rng.randint(1, 8))]
    batches, n = [], rng.choice([0, 1, 7, 64, 1000])
    columns = []
    for kind, _ in kinds:
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        array = pa.array(values(plain, n, rng), plain)
        columns.append(array.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else array)
    names = [f"c{i}" for i in range(len(kinds))]
    table = pa.table(dict(zip(names, columns)))
    at = 0
    while at < n:  # slices, so that offsets are not zero
        step = rng.randint(1, n)
        part = table.slice(at, step)
        batches += (part.combine_chunks() if rng.random() < 0.5 else part).to_batches()
        at += step
    want = pa.table({name: column if to is None else convert(column, to)
                     for name, column, (_, to) in zip(names, columns, kinds)})
    return table, batches, want


def convert(column, to):
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(to)


def write(path, table, batches, compression=None):
    new = ipc.new_stream if path.suffix == ".arrows" else ipc.new_file
    options = ipc.IpcWriteOptions(unify_dictionaries=path.suffix == ".arrow", compression=compression)
    with new(str(path), table.schema, options=options) as out:
        for batch in batches:
            out.write_batch(batch)


def read(path):
    opened = ipc.open_stream(str(path)) if path.suffix == ".arrows" else ipc.open_file(str(path))
    table = opened.read_all()
    table.validate(full=True)
    return table


def run(tool, *args, stdin=None):
    done = subprocess.run([tool, *map(str, args)], stdin=stdin, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, args))}: {done.stderr}")


def same(have, want, what):
    if have.schema.types != want.schema.types or have.schema.names != want.schema.names:
        raise AssertionError(f"{what}: schema\n{have.schema}\ninstead of\n{want.schema}")
    if not have.combine_chunks().equals(want.combine_chunks()):
        raise AssertionError(f"{what}: values differ\n{have.to_pydict()}\ninstead of\n{want.to_pydict()}")


def check_arrow(tool, folder, rng):
    table, batches, want = random_table(rng)
    for suffix_in in (".arrow", ".arrows"):
        source = folder / f"in{suffix_in}"
        write(source, table, batches, rng.choice([None, "lz4", "zstd"]))
        for suffix_out in (".arrow", ".arrows"):
            target = folder / f"out{suffix_out}"
            for extra in ([], ["16"]):  # the second way leads through the C interface
                run(tool, source, target, *extra)
                same(read(target), want, f"{source.name} to {target.name} {extra}")


def check_csv(tool, folder, rng):
    n = rng.choice([1, 50, 3000])
    kinds = {"i": pa.int64(), "f": pa.float64(), "s": pa.string(), "b": pa.bool_(), "d": pa.date32(),
             "t": pa.timestamp("us")}
    columns = {}
    for name, kind in kinds.items():
        column = values(kind, n, rng)
        column[0] = next((x for x in values(kind, 100, rng) if x is not None and x != ""), None)  # tells the type
        if name == "f":
            column[0] = 0.5
        if name == "s":
            column[0] = "text"
        columns[name] = pa.array(column, kind)
    want = pa.table(columns)
    source, target, back = folder / "in.arrow", folder / "out.csv", folder / "back.arrow"
    write(source, want, want.to_batches())
    run(tool, source, target)
    run(tool, target, back)
    same(read(back), want, "arrow to csv to arrow")
    options = pacsv.ConvertOptions(column_types=kinds, strings_can_be_null=True, quoted_strings_can_be_null=False)
    lines = pacsv.ParseOptions(newlines_in_values=True)
    theirs = pacsv.read_csv(str(target), parse_options=lines, convert_options=options)
    same(theirs, want, "our csv read by pyarrow")
    pacsv.write_csv(want, str(target), pacsv.WriteOptions(quoting_style="needed"))
    run(tool, target, back)
    have = read(back)
    for name in kinds:  # pyarrow writes a null and an empty text alike
        mine, other = have[name], want[name]
        if name == "s":
            mine, other = pc.fill_null(mine, ""), pc.fill_null(other, "")
        if not mine.equals(other):
            raise AssertionError(f"pyarrow's csv: column {name}\n{mine}\ninstead of\n{other}")


def main():
    tool, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
    print(f"pyarrow {pa.__version__}, seed {seed}")
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for _ in range(25):
            check_arrow(tool, folder, rng)
            check_csv(tool, folder, rng)


if __name__ == "__main__":
    main()
