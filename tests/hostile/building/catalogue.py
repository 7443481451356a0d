"""Attacks on the build: what a stranger's sources, names and lists make of a compiler.

Each has its control: the same handed to a compiler as a careless server would, through a shell. An
attack is good for something only where that has its effect.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

from hostile.building.world import World

ENTRY: Final = "void *fmi3InstantiateCoSimulation(void) { return 0; }\n"
PATIENT: Final = 2  # seconds that the builder gives to one model


@dataclass(frozen=True, slots=True)
class Sources:
    """One attempt. `words` are a careless compiler's options, `listed` what the FMU says instead.

    `made` mustn't come into being, at once or `soon_s` later; `seen` tells of other effects.
    """

    files: Mapping[str, str | bytes]
    words: str = ""
    listed: str = '<SourceFile name="model.c"/>'
    options: str = ""
    library: str = ""
    units: str = "model.c"
    made: Path | None = None
    seen: Callable[[], bool] | None = None
    soon_s: float = 0
    executable: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """The buildDescription.xml."""
        options = f" compilerOptions={quoteattr(self.options)}" if self.options else ""
        library = f"<Library name={quoteattr(self.library)}/>" if self.library else ""
        return (
            '<fmiBuildDescription fmiVersion="3.0"><BuildConfiguration modelIdentifier="hostile">'
            f"<SourceFileSet{options}>{self.listed}</SourceFileSet>{library}"
            "</BuildConfiguration></fmiBuildDescription>"
        )


@dataclass(frozen=True, slots=True)
class BuildAttack:
    """`costs`: the effect is that it takes more than `PATIENT` seconds or absurd amounts.

    `needs` is a C expression of the preprocessor that must hold for the compiler to know of it.
    """

    id: str
    make: Callable[[World], Sources]
    costs: bool = False
    needs: str = "1"


def _text(*lines: str) -> dict[str, str | bytes]:
    return {"model.c": "\n".join((*lines, ENTRY))}


def _up(path: Path) -> str:
    return "../" * 40 + str(path).lstrip("/")


def _says(*lines: str) -> Callable[[World], Sources]:
    """Sources that name the secret as `{secret}`; its text must not be told."""
    return lambda world: Sources(
        _text(
            *(
                line.format(
                    secret=world.secret, up=_up(world.secret), pid=os.getpid(), open=world.database
                )
                for line in lines
            )
        )
    )


def _flags(words: str, /, **files: str) -> Callable[[World], Sources]:
    """Options in the list of sources. `{marker}` must not come into being."""

    def make(world: World) -> Sources:
        marker = world.marker()
        told = words.format(secret=world.secret, marker=marker, object=world.their_object())
        more = {
            name.replace("_", "."): text.format(secret=world.secret, marker=marker)
            for name, text in files.items()
        }
        return Sources(
            {**_text(), **more},
            told,
            options=told,
            made=marker,
            executable=tuple(name for name, text in more.items() if text.startswith("#!")),
        )

    return make


def _plugin(what: str, value: Callable[[World, Path], object]) -> Callable[[World], Sources]:
    """Code in the compiler's own process."""

    def make(world: World) -> Sources:
        marker = world.marker()
        given = value(world, marker)
        text = f'"{given}"' if isinstance(given, Path | str) else str(given)
        before = world.signals
        mode = world.secret.stat().st_mode

        def seen() -> bool:
            return world.heard() or world.signals > before or world.secret.stat().st_mode != mode

        return Sources(
            {**_text(), "plugin.so": world.plugin(what, text)},
            "-fplugin=./plugin.so",
            options="-fplugin=./plugin.so",
            made=marker,
            seen=seen,
            soon_s=5 if what == "LINGERS" else 0,
        )

    return make


def _macro(attributes: str, words: str) -> Callable[[World], Sources]:
    def make(world: World) -> Sources:
        marker = world.marker()
        told = words.format(secret=world.secret, marker=marker)
        given = attributes.format(secret=world.secret, marker=marker)
        listed = f'<PreprocessorDefinition {given}/><SourceFile name="model.c"/>'
        return Sources(_text(), told, listed, made=marker)

    return make


def _named(name: str, content: str = ENTRY, **more: str) -> Callable[[World], Sources]:
    """A file whose name is the attack."""

    def make(world: World) -> Sources:
        marker = world.folder / "made-by-name.c"
        marker.unlink(missing_ok=True)

        def filled(text: str) -> str:
            return text.replace("{marker}", str(marker)).replace(
                "{object}", str(world.their_object())
            )

        files = {name: content, **{n.replace("_", "."): t for n, t in more.items()}}
        units = [filled(name), *(n for n in files if n == "model.c")]
        return Sources(
            {filled(n): filled(t) for n, t in files.items()},
            listed="".join(f"<SourceFile name={quoteattr(unit)}/>" for unit in units),
            units=" ".join(units),
            made=marker,
        )

    return make


def _outside(world: World) -> Sources:
    listed = f'<SourceFile name="model.c"/><SourceFile name="{world.secret}"/>'
    return Sources(_text(), f"-x c {world.secret}", listed)


def _climbs(world: World) -> Sources:
    path = _up(world.secret)
    listed = f'<SourceFile name="model.c"/><SourceFile name="{path}"/>'
    return Sources(_text(), f"-x c {path}", listed)


def _include_folder(world: World) -> Sources:
    listed = f'<IncludeDirectory name="{world.folder}"/><SourceFile name="model.c"/>'
    return Sources(_text('#include "secret.txt"'), f"-I{world.folder}", listed)


def _include_above(world: World) -> Sources:
    path = _up(world.folder)
    listed = f'<IncludeDirectory name="{path}"/><SourceFile name="model.c"/>'
    return Sources(_text('#include "secret.txt"'), f"-I{path}", listed)


def _links(name: Callable[[World, Path], str]) -> Callable[[World], Sources]:
    def make(world: World) -> Sources:
        marker = world.marker()
        told = name(world, marker)
        return Sources(_text(), f"-l{told}", library=told, made=marker)

    return make


def _doubling(steps: int) -> list[str]:
    lines = ["#define M0 1 +"]
    lines += [f"#define M{i} M{i - 1} M{i - 1}" for i in range(1, steps)]
    return [*lines, f"int bomb = M{steps - 1} 0;"]


_TEMPLATES: Final = """
template <int N, int M> struct T {
    enum { value = T<N - 1, 2 * M>::value + T<N - 1, 2 * M + 1>::value };
};
template <int M> struct T<0, M> { enum { value = 1 }; };
int bomb = T<28, 0>::value;
extern "C" void *fmi3InstantiateCoSimulation(void) { return 0; }
"""
READ: Final = (
    BuildAttack("include a file", _says('#include "{secret}"')),
    BuildAttack("include a file by climbing", _says('#include "{up}"')),
    BuildAttack("include a file by a macro", _says('#define F "{secret}"', "#include F")),
    BuildAttack("include a file as a system header", _says("#include <{secret}>")),
    BuildAttack("include a file of the assembler", _says('asm(".include \\"{secret}\\"");')),
    BuildAttack("take bytes of a file", _says('asm(".incbin \\"{secret}\\"");')),
    BuildAttack("take bytes by climbing", _says('asm(".incbin \\"{up}\\"");')),
    BuildAttack(
        "embed a file",
        _says("const unsigned char b[] = {{", '#embed "{secret}"', "}};"),
        needs="defined __has_embed",
    ),
    BuildAttack("what the server has open", _says('#include "/proc/{pid}/fd/{open}"')),
    BuildAttack("the server's root", _says('asm(".include \\"/proc/{pid}/root{secret}\\"");')),
    BuildAttack(
        "that a file exists",
        _says(
            '#if __has_include("{secret}")',
            'const char found[] = "sk_live_hostile_0123456789" "abcdef";',
            "#endif",
        ),
    ),
)

LISTS: Final = (
    BuildAttack("a source outside", _outside),
    BuildAttack("a source by climbing", _climbs),
    BuildAttack("a folder of headers outside", _include_folder),
    BuildAttack("a folder of headers above", _include_above),
    BuildAttack("an object that is a linker script", _named("theirs.o", "INPUT({object})\n")),
    BuildAttack("a linker script", _named("model.ld", "INPUT({object})\n")),
    BuildAttack("a name that is a command", _named("model.c; touch {marker}; .c")),
    BuildAttack("a name that calls a command", _named("$(touch {marker}).c")),
    BuildAttack("a name that is a file of options", _named("@words.c", words_c="{object}")),
    BuildAttack("a name that is an option", _named("-o{marker}", "", model_c=ENTRY)),
    BuildAttack(
        "a macro with options",
        _macro('name="X" value="1 -include {secret}"', "-DX=1 -include {secret}"),
    ),
    BuildAttack(
        "a macro's name with options",
        _macro('name="X -include {secret}"', "-DX -include {secret}"),
    ),
    BuildAttack(
        "a macro with a command",
        _macro('name="X" value="1; touch {marker}; :"', "-DX=1; touch {marker}; :"),
    ),
    BuildAttack(
        "a macro that includes",
        lambda world: Sources(
            {"model.c": f"#include HEADER\n{ENTRY}"},
            f"-DHEADER='\"{world.secret}\"'",
            f"<PreprocessorDefinition name='HEADER' value='&quot;{world.secret}&quot;'/>"
            '<SourceFile name="model.c"/>',
        ),
    ),
    BuildAttack("a library by its path", _links(lambda world, _: f":{_up(world.their_object())}")),
    BuildAttack("a library with options", _links(lambda _, marker: f"m -Wl,-Map={marker}")),
)

FLAGS: Final = (
    BuildAttack("-include", _flags("-include {secret}")),
    BuildAttack("-isystem and include", _include_folder),
    BuildAttack("a file of options", _flags("@words", words="-include {secret}")),
    BuildAttack(
        "-B", _flags("-B./", **{"as": '#!/bin/sh\ntouch {marker}\nexec /usr/bin/as "$@"\n'})
    ),
    BuildAttack("-wrapper", _flags("-wrapper ./run", run='#!/bin/sh\ntouch {marker}\nexec "$@"\n')),
    BuildAttack("-o", _flags("-o {marker}")),
    BuildAttack("-MF", _flags("-MD -MF {marker}")),
    BuildAttack("-Wa, a listing", _flags("-Wa,-al={marker}")),
    BuildAttack("-Wl, a map", _flags("-Wl,-Map={marker}")),
    BuildAttack("-Wl, an object", _flags("-Wl,{object}")),
    BuildAttack("-fdump", _flags("-fdump-tree-original={marker}")),
    BuildAttack("-specs", _flags("-specs=./own.specs", own_specs="*cc1:\n+ -include {secret}\n")),
)

CODE: Final = (
    BuildAttack("code reads a file", _plugin("READS", lambda world, _: world.secret)),
    BuildAttack("code reads its environment", _plugin("READS", lambda _, __: "/proc/self/environ")),
    BuildAttack(
        "code reads the server's environment",
        _plugin("READS", lambda _, __: f"/proc/{os.getpid()}/environ"),
    ),
    BuildAttack("code writes a file", _plugin("WRITES", lambda _, marker: marker)),
    BuildAttack("code connects", _plugin("VISITS", lambda world, _: world.port)),
    BuildAttack("code signals the server", _plugin("SIGNALS", lambda _, __: os.getpid())),
    BuildAttack("code changes a mode", _plugin("UNLOCKS", lambda world, _: world.secret)),
    BuildAttack("code runs a shell", _plugin("EXECUTES", lambda _, marker: marker)),
    BuildAttack("code stays", _plugin("LINGERS", lambda _, marker: marker)),
)

COSTS: Final = (
    BuildAttack("macros that double", lambda _: Sources(_text(*_doubling(32))), costs=True),
    BuildAttack(
        "a file that includes itself twice",
        lambda _: Sources({"model.c": '#include "model.c"\n#include "model.c"\n' + ENTRY}),
        costs=True,
    ),
    BuildAttack("an endless file", _says('#include "/dev/zero"'), costs=True),
    BuildAttack(
        "an endless repetition", _says('asm(".rept 100000000\\nnop\\n.endr");'), costs=True
    ),
    BuildAttack("a huge array", _says("char huge[1u << 30] = {{1}};"), costs=True),
    BuildAttack(
        "endless complaints",
        lambda _: Sources(_text(*(f'#pragma message "{"x" * 100}"' for _ in range(40_000)))),
        costs=True,
    ),
    BuildAttack(
        "templates",
        lambda _: Sources(
            {"model.cpp": _TEMPLATES}, "", '<SourceFile name="model.cpp"/>', units="model.cpp"
        ),
        costs=True,
    ),
)

ATTACKS: Final = (*READ, *LISTS, *FLAGS, *CODE, *COSTS)
BY_ID: Final = {attack.id: attack for attack in ATTACKS}
