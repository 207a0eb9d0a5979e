# SPDX-License-Identifier: MIT
"""Which errors of which operations the guest tests require: read from the assertions themselves, so that nothing can be claimed
that is not asserted.

An assertion counts when it names one error and one operation:

    REQUIRE_ERROR(t, EXPRESSION, Error::kX)    REQUIRE_EQUAL(t, EXPRESSION, Error::kX)

and EXPRESSION contains `Op::kY`, or a function that does nothing but kY (of libcap, of test/guest/support, of the test itself, a
lambda too). Where the error is a parameter `Error expected` of such a function, each call with an `Error::kX` counts; and so
does a row `{kY, ..., Error::kX}` of a table. A method's name that several operations share counts for none of them.
"""

import pathlib
import re

import abi_headers

ERROR = re.compile(r"(?:\w+::)*Error::(k\w+)")
OP = re.compile(r"\bOp::(k\w+)")
PARAMETERS = r"(?:\((?:[^()]|\([^()]*\))*\))"
# A lambda's name; or a function's class and name; then the parameters.
FUNCTION = re.compile(rf"(?:\bauto (\w+) = \[[^\]]*\]|\b(?:(\w+)::)?(~?\w+)\s*(?=\())\s*({PARAMETERS}?)\s*"
                      r"(?:const\s*|noexcept\s*|mutable\s*|->\s*[\w:<>]+\s*)*\{")
KEYWORDS = {"if", "for", "while", "switch", "return", "sizeof", "catch", "alignas", "asm", "volatile"}
ROW = re.compile(r"^\s*\{(?:abi::)?(?:Op::)?(k\w+),.*\bError::(k\w+)\},?\s*$", re.MULTILINE)

Ways = dict[str, dict[str, set[str]]]  # function's name -> class -> operations that it does


def closing(text: str, begin: int) -> int:
    """Of the bracket at `begin`: the index behind its partner."""
    depth = 0
    for index in range(begin, len(text)):
        if text[index] in "([{":
            depth += 1
        elif text[index] in ")]}":
            depth -= 1
            if depth == 0:
                return index + 1
    return len(text)


def arguments(text: str) -> list[str]:
    """Of `(a, b(c, d))`: what stands between its commas."""
    result, depth, start = [], 0, 1
    for index, char in enumerate(text):
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        if char == "," and depth == 1 or depth == 0:
            result.append(text[start:index].strip())
            start = index + 1
    return result


class Source:
    """One file. Its functions are (class or "", name, parameters, body)."""

    def __init__(self, path: pathlib.Path, operations: set[str]):
        self.name = path.name
        self.text = abi_headers.without_comments(path.read_text())
        self.bare = operations if re.search(r"using enum (?:abi::|cox::abi::)?Op;", self.text) else set()
        self.functions = []
        self.bodies = []  # begin, end
        self.with_error = []  # name, parameters, begin, end
        classes = [(match.start(), closing(self.text, match.end() - 1), match[1])
                   for match in re.finditer(r"\b(?:class|struct) (\w+)[^;{()]*\{", self.text)]
        for match in FUNCTION.finditer(self.text):
            name = match[1] or match[3]
            if name not in KEYWORDS:
                around = [each for begin, end, each in classes if begin < match.start() < end]
                end = closing(self.text, match.end() - 1)
                self.functions.append((match[2] or (around or [""])[-1], name, match[4], self.text[match.end():end]))
                if not match[1]:
                    self.bodies.append((match.end(), end))
                if "Error " in match[4]:
                    self.with_error.append((name, match[4], match.end(), end))

    def literals(self, text: str) -> set[str]:
        enter = {"cap_enter"} if re.search(r"\b(?:cap_enter|submit_and_wait)\(", text) else set()
        return enter | set(OP.findall(text)) | {name for name in re.findall(r"\bk\w+\b", text) if name in self.bare}

    def operations(self, text: str, ways: Ways, before: int = 0) -> set[str]:
        """`before`: where in the file it stands, to look for what the objects in it are."""
        found = self.literals(text)
        if found - {"cap_enter"}:  # what it names, it does
            return found
        for receiver, name in re.findall(r"(?:\b(\w+)(?:\(\))?(?:\.|->))?\b(\w+)\(", text):
            known = ways.get(name, {})
            if not receiver and "" in self.own.get(name, {}):
                known = {"": self.own[name][""]}
            if len(set().union(*known.values())) > 1:  # of several classes: then by the object's name, or what it is made of
                made_of = self.value_of(receiver, before)
                known = {each: ops for each, ops in known.items() if each and
                         (each.lower() == receiver.lower() or re.search(rf"\b{each}\b", made_of))}
            found = found.union(*known.values())
        return found

    def ways(self, known: Ways) -> Ways:
        """What its functions do directly, or by one of the `known`."""
        self.own = {}
        result: Ways = {}
        for around, name, _, body in self.functions:
            if found := self.operations(body, known):
                result.setdefault(name, {}).setdefault(around, set()).update(found)
        self.own = result
        return result

    def value_of(self, name: str, before: int) -> str:
        """Of a local constant: what it was made of, where it was last made."""
        found = re.findall(rf"\b(?:const )?([\w:]+)&? {name}\b(?: = |\()([^;]*);", self.text[:before]) if name else []
        return " ".join(found[-1]) if found else ""

    def assertions(self, ways: Ways):
        """Each as its place, its operation, and what stands in its error's place."""
        for match in re.finditer(r"\bREQUIRE_(?:ERROR|EQUAL)\(", self.text):
            parts = arguments(self.text[match.end() - 1:closing(self.text, match.end() - 1)])
            if len(parts) != 3:
                continue
            operations = self.operations(parts[1], ways, match.start())
            if not operations and (name := re.search(r"\b(\w+)(?:\.error\(\)|\.ready|\.result)?\)?$", parts[1])):
                operations = self.operations(self.value_of(name[1], match.start()), ways, match.start())
            if len(operations) == 1:
                yield match.start(), operations.pop(), parts[2]

    def errors(self, place: int, text: str) -> set[str]:
        """What an assertion's error can be: a literal, a variable's values, a column of the rows that a loop goes through."""
        if match := ERROR.fullmatch(text):
            return {match[1]}
        around = max((body for body in self.bodies if body[0] < place < body[1]), default=None)
        if around is None:
            return set()
        if match := re.fullmatch(r"(\w+)\.\w+", text):
            loops = re.findall(rf"for \(const \w+&? {match[1]} : (\w+)\)", self.text[around[0]:place])
            rows = loops and re.search(rf"\b{loops[-1]}\[\] = \{{", self.text[around[0]:place])
            if not rows:
                return set()
            begin = around[0] + rows.end() - 1
            return set(ERROR.findall(self.text[begin:closing(self.text, begin)]))
        return set(re.findall(rf"\b{re.escape(text)} = (?:\w+::)*Error::(k\w+)", self.text[around[0]:around[1]]))

    def claims(self, ways: Ways) -> dict[tuple[str, str], int]:
        """The line that requires it, by operation and error."""
        found = [(match[1], match[2], match.start(2)) for match in ROW.finditer(self.text)]
        required: dict[str, list[tuple[int, str]]] = {}
        for place, operation, error in self.assertions(ways):
            found += [(operation, each, place) for each in self.errors(place, error)]
            required.setdefault(error, []).append((place, operation))
        for name, parameters, begin, end in self.with_error:
            for parameter in re.findall(r"\bError (\w+)", parameters):
                for call in re.finditer(rf"\b{name}\(", self.text):
                    given = self.text[call.end() - 1:closing(self.text, call.end() - 1)]
                    found += [(operation, error, place) for place, operation in required.get(parameter, [])
                              if begin < place < end for error in ERROR.findall(given)]
        return {(operation, error): self.text.count("\n", 0, place) + 1 for operation, error, place in found}


def read_claims(root: pathlib.Path, operations: set[str]) -> dict[tuple[str, str], str]:
    """The place of a test that requires it, by operation and error."""
    def sources(folder: str) -> list[Source]:
        return [Source(path, operations) for path in sorted((root / folder).glob("*.[ch]pp"))]

    library: Ways = {}
    for source in sources("libcap/include/cap") + sources("libcap/src"):
        merge(library, source.ways({}))
    shared: Ways = {}
    merge(shared, library)
    for source in sources("test/guest/support"):
        merge(shared, source.ways(library))
    claims: dict[tuple[str, str], str] = {}
    for source in sources("test/guest"):
        ways: Ways = {}
        merge(ways, shared)
        merge(ways, source.ways(shared))
        claims.update({claim: f"{source.name}:{line}" for claim, line in source.claims(ways).items()})
    return claims


def merge(into: Ways, more: Ways) -> None:
    for name, classes in more.items():
        for each, operations in classes.items():
            into.setdefault(name, {}).setdefault(each, set()).update(operations)


def read_rights(root: pathlib.Path) -> dict[str, set[str]]:
    """The table of test/guest/calls_test.cpp, by which every operation is tried without its rights."""
    path = root / "test/guest/calls_test.cpp"
    text = abi_headers.without_comments(path.read_text())
    rows = re.findall(r"\{(?:Op::)?(k\w+),\s*(?:abi::)?ObjectType::k\w+,([^,]*),", text)
    rights = {name: set(re.findall(r"\bk\w+", needed)) for name, needed in rows}
    for body in re.findall(r"kAnyOperations\[\] = \{([^}]*)\}", text):
        rights.update({name: set() for name in re.findall(r"\bk\w+", body)})
    return rights


def read_hostile(root: pathlib.Path) -> set[str]:
    """What hostile programs try, besides numbers that are none."""
    text = abi_headers.without_comments((root / "test/guest/support/hostile_mind.cpp").read_text())
    return {name for body in re.findall(r"kOperations\[\] = \{([^}]*)\}", text) for name in re.findall(r"\bk\w+", body)}
