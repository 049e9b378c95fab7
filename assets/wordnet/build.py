#!/usr/bin/env python3
"""Packs WordNet's noun hierarchy from a pinned Debian package.

    python build.py WORK            download, unpack and pack; writes nouns.txt.xz
    python build.py WORK --check    the same in memory, then compare with the shipped file's content

Needs `apt-get` and `dpkg-deb`, and nothing beyond Python's standard library. WORK keeps the download.

nouns.txt, UTF-8, begins with the licence on lines that start with `#`, then has

    - a line for each noun synset in the order of its byte offset in data.noun: the offset less the one before,
      then its hypernyms (instance hypernyms too) as line numbers from 0, separated by commas and empty for the
      root, then its words in lower case. A word's number among the senses of its spelling follows it as `#N`
      where it is not 1, so that the most frequent sense comes first;
    - an empty line, and a line for each irregular plural: the plural and its singulars.
"""

import argparse
import hashlib
import lzma
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE, VERSION = "wordnet-base", "1:3.0-37"
SHA256 = "61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752"
SYNSETS = 82_115


def unpack(work: Path) -> Path:
    """The folder `usr/share` of the package."""
    deb = work / f"{PACKAGE}_{VERSION.replace(':', '%3a')}_all.deb"
    if not deb.exists():
        work.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", f"{PACKAGE}={VERSION}"], cwd=work, check=True)
    found = hashlib.sha256(deb.read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"{deb} has the SHA-256 {found}, not {SHA256}")
    subprocess.run(["dpkg-deb", "-x", deb, work / PACKAGE], check=True)
    return work / PACKAGE / "usr/share"


def senses(index: Path) -> dict[str, list[int]]:
    """By word, the offsets of its synsets, the most frequent sense first."""
    by_word = {}
    for line in index.read_text().splitlines():
        if line.startswith(" "):
            continue  # the licence
        # lemma pos synset_cnt p_cnt [ptr_symbol…] sense_cnt tagsense_cnt offset…
        fields = line.split()
        by_word[fields[0]] = [int(offset) for offset in fields[-int(fields[2]) :]]
    return by_word


def synset(line: str) -> tuple[int, list[int], list[str]]:
    """Offset, offsets of the hypernyms, words."""
    fields = line.split(" | ")[0].split()
    count = int(fields[3], 16)
    words = [word.lower() for word in fields[4 : 4 + 2 * count : 2]]
    pointers = fields[5 + 2 * count :]
    parents = [int(pointers[i + 1]) for i in range(0, len(pointers), 4) if pointers[i] in ("@", "@i")]
    return int(fields[0]), parents, list(dict.fromkeys(words))


def licence(text: str) -> list[str]:
    """The lines of a data file that hold the licence, without their numbers."""
    lines = [line for line in text.splitlines() if line.startswith("  ")]
    return [f"# {line.strip().partition(' ')[2]}".rstrip() for line in lines]


def pack(share: Path) -> str:
    data = (share / "wordnet/data.noun").read_text()
    by_word = senses(share / "wordnet/index.noun")
    nouns = [synset(line) for line in data.splitlines() if not line.startswith("  ")]
    assert len(nouns) == SYNSETS and nouns == sorted(nouns)
    number = {offset: i for i, (offset, _, _) in enumerate(nouns)}
    lines, last = licence(data), 0
    for offset, parents, words in nouns:
        ranks = [(word, by_word[word].index(offset) + 1) for word in words]
        spelled = [word if rank == 1 else f"{word}#{rank}" for word, rank in ranks]
        lines.append(f"{offset - last} {','.join(str(number[p]) for p in parents)} {' '.join(spelled)}")
        last = offset
    lines.append("")
    exceptions = (share / "wordnet/noun.exc").read_text().splitlines()
    return "\n".join(lines + sorted(line.strip() for line in exceptions)) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    text = pack(unpack(arguments.work.resolve())).encode()
    shipped = HERE / "nouns.txt.xz"
    if arguments.check:
        if lzma.decompress(shipped.read_bytes()) != text:
            sys.exit(f"FAIL: {shipped} holds something else")
        print(f"{shipped.name} holds what the package gives: {len(text):,} bytes of text")
        return
    packed = lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)
    shipped.write_bytes(packed)
    print(f"{shipped.name}: {len(packed):,} bytes of {len(text):,}, SHA-256 of the text {hashlib.sha256(text).hexdigest()}")


if __name__ == "__main__":
    main()
