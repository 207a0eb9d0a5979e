# SPDX-License-Identifier: MIT
"""The layouts of the ABI, as the compiler has them: which bits of a word a field has, and where the members of a structure lie.

- a function `NAME_word(a, b, …)` packs a word: `NAME_word.mask a BITS`
- a structure with a member `std::uint64_t raw` is a word, which its functions without arguments unpack: `NAME.mask f BITS`
- a structure with a function `unpack` is what a word holds, one field each: `NAME.mask member BITS`
- of the others: `NAME.offset member BYTES`, and `NAME.offset sizeof BYTES`

They stand beside the numbers (abi_headers.py), and stay like these.
"""

import pathlib
import re
import subprocess
import tempfile

import abi_headers

PACKS = re.compile(r"\bconstexpr std::uint64_t (\w+_word)\(([^()]*)\)")
WORD = re.compile(r"\bstruct (\w+) \{\s*std::uint64_t raw\b.*?^\};", re.DOTALL | re.MULTILINE)
UNPACKS = re.compile(r"\bconstexpr ([\w:]+) (\w+)\(\) const \{")
UNPACKED = re.compile(r"\bstruct (\w+) \{(?:(?!^\};).)*?\bconstexpr \w+ unpack\(.*?^\};", re.DOTALL | re.MULTILINE)
FIELD = re.compile(r"^ +std::uint\d+_t (\w+) = 0;", re.MULTILINE)
RECORD = re.compile(r"^ +0 \| struct cox::abi::(\w+)\n(.*?)\[sizeof=(\d+)", re.DOTALL | re.MULTILINE)
MEMBER = re.compile(r"^ *(\d+) \|   (?! ).* (\w+)$", re.MULTILINE)

PROBE = """#include <cstdint>
#include <cstdio>
{includes}
namespace cox::abi {{}}
using namespace cox::abi;
namespace {{
void say(const char* word, const char* field, std::uint64_t mask) {{
    std::printf("%s.mask %s %llu\\n", word, field, static_cast<unsigned long long>(mask));
}}
template <class Field>
std::uint64_t bits_of(Field field) {{
    std::uint64_t mask = 0;
    for (unsigned bit = 0; bit < 64; ++bit) {{
        const std::uint64_t one = std::uint64_t{{1}} << bit;
        if (field(one) != field(std::uint64_t{{0}})) mask |= one;
    }}
    return mask;
}}
}}
int main() {{
{statements}
}}
"""


def statements(text: str) -> list[str]:
    """Each prints one mask."""
    result = []
    for name, parameters in PACKS.findall(text):
        fields = [tuple(parameter.split()) for parameter in parameters.split(",")]
        zeroes = ", ".join("{}" for _ in fields)
        for index, (kind, field) in enumerate(fields):
            ones = ", ".join(f"static_cast<{kind}>(~std::uint64_t{{0}})" if each == index else "{}" for each in range(len(fields)))
            result.append(f'say("{name}", "{field}", {name}({ones}) ^ {name}({zeroes}));')
    fields = [(match[1], field, f"{match[1]}{{raw}}.{field}()") for match in WORD.finditer(text)
              for kind, field in UNPACKS.findall(match[0]) if kind != match[1]]
    fields += [(match[1], field, f"{match[1]}::unpack(raw).{field}") for match in UNPACKED.finditer(text)
               for field in FIELD.findall(match[0])]
    return result + [f'say("{word}", "{field}", bits_of([](std::uint64_t raw) {{ return {value}; }}));'
                     for word, field, value in fields]


def read_records(dump: str, packed: set[str], numbers: abi_headers.Numbers) -> None:
    for name, body, size in RECORD.findall(dump):
        if name in packed:
            continue
        known = numbers.setdefault(f"{name}.offset", {})
        known.update((member, int(offset)) for offset, member in MEMBER.findall(body))
        known["sizeof"] = int(size)


def read_layouts(root: pathlib.Path) -> tuple[abi_headers.Numbers, list[str]]:
    """In the form of abi_headers.read_headers; and what is wrong with the headers."""
    paths = sorted((root / abi_headers.FOLDER).glob("*.hpp"))
    text = "\n".join(abi_headers.without_comments(path.read_text()) for path in paths)
    if not re.search(r"\bstruct \w+|\w+_word\(", text):
        return {}, []
    numbers: abi_headers.Numbers = {}
    with tempfile.TemporaryDirectory(prefix="coxswain-abi-") as folder:
        source, program = pathlib.Path(folder) / "probe.cpp", pathlib.Path(folder) / "probe"
        includes = "\n".join(f'#include "abi/{path.name}"' for path in paths)
        source.write_text(PROBE.format(includes=includes, statements="\n".join(statements(text))))
        command = ["clang++-19", "-std=c++23", "-w", f"-I{(root / abi_headers.FOLDER).parent}", str(source), "-o", str(program),
                   "-Xclang", "-fdump-record-layouts-complete"]
        compiled = subprocess.run(command, capture_output=True, text=True)
        if compiled.returncode != 0:
            return {}, ["the headers do not compile: " + compiled.stderr.strip().splitlines()[0]]
        read_records(compiled.stdout, {match[1] for match in UNPACKED.finditer(text)}, numbers)
        said = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    for line in said.splitlines():
        word, field, mask = line.split()
        numbers.setdefault(word, {})[field] = int(mask)
    return numbers, []
