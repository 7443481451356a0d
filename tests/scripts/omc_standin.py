"""Stands in for OpenModelica's compiler: the scripting calls that the exporter makes, no others.

    omc_standin.py script.mos        with OMC_STANDIN_FMU naming an FMU to give out

It prints the values of a script's expressions as omc does: strings quoted, their line breaks as
they are. What a model does stands in its name.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import time
import zipfile
from pathlib import Path

PACKAGE = "Modelica.Blocks"
CLASSES = {  # name: (restriction, partial, experiment, comment)
    "Modelica.Blocks.Examples": ("package", False, False, "Examples"),
    "Modelica.Blocks.Examples.Accepted": ("model", False, True, 'A "good" example'),
    "Modelica.Blocks.Examples.Fails": ("model", False, True, "Doesn't translate"),
    "Modelica.Blocks.Examples.Hangs": ("model", False, True, "Takes for ever"),
    "Modelica.Blocks.Examples.Crashes": ("model", False, True, "Ends the compiler"),
    "Modelica.Blocks.Examples.Windows": ("model", False, True, "Built elsewhere"),
    "Modelica.Blocks.Continuous.Integrator": ("block", False, False, "y = integral of k u"),
    "Modelica.Blocks.Interfaces.Base": ("block", True, False, "To be extended"),
    "Modelica.Blocks.Types.Init": ("type", False, False, "An enumeration"),
}
LOADING = re.compile(r'loadModel\((\w+)(, \{"[\d.]+"\})?\)|loadFile\(".+"\)')
ERRORS = 'Error: Class "Nothing" not found in scope Fails.\nError: Error occurred while flattening'


def main() -> None:
    loaded, errors = False, ""
    for line in Path(sys.argv[1]).read_text().splitlines():
        statement = line.removesuffix(";")
        if statement == "getErrorString()":
            say(errors)
            errors = ""
        elif statement == "getVersion()":
            say("OpenModelica 1.25.0-standin")
        elif match := re.fullmatch(
            r'loadModel\((\w+)(, \{"[\d.]+"\})?\)|loadFile\(".+"\)', statement
        ):
            loaded = match[1] in {"Modelica", None}
            errors = "" if loaded else "Error: Failed to load package\n"
            tell(str(loaded).lower())
        elif statement.startswith("setCommandLineOptions("):
            tell("true")
        elif not loaded:
            sys.exit(f"nothing is loaded: {statement}")
        else:
            errors = asked(statement)


def asked(statement: str) -> str:
    """Answer one question; what getErrorString then says."""
    if match := re.fullmatch(r"existClass\((\S+)\)", statement):
        tell(str(exists(match[1])).lower())
    elif match := re.fullmatch(
        r"getClassNames\((\S+), recursive=true, qualified=true, sort=true\)", statement
    ):
        tell("{" + ",".join(sorted(n for n in CLASSES if n.startswith(match[1]))) + "}")
    elif match := re.fullmatch(
        r"\{existClass\((\S+)\), isModel\(\1\) or isBlock\(\1\), isPartial\(\1\), "
        r"isExperiment\(\1\)\}",
        statement,
    ):
        kind, partial, experiment, _ = CLASSES.get(match[1], ("", False, False, ""))
        facts = (exists(match[1]), kind in {"model", "block"}, partial, experiment)
        tell("{" + ",".join(str(fact).lower() for fact in facts) + "}")
    elif match := re.fullmatch(r"getClassComment\((\S+)\)", statement):
        say(CLASSES.get(match[1], ("", False, False, ""))[3])
    elif match := re.fullmatch(
        r'buildModelFMU\((\S+), version="2.0", fmuType="me_cs", platforms=\{"static"\}\)', statement
    ):
        return build(match[1])
    else:
        sys.exit(f"not understood: {statement}")
    return ""


def build(name: str) -> str:
    last = name.rpartition(".")[2]
    with Path(os.environ["OMC_STANDIN_LOG"]).open("a") as log:
        log.write(f"{name}\n")
    if last == "Hangs":
        time.sleep(600)
    if last == "Crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if last == "Fails":
        say("")
        return ERRORS
    target = Path.cwd() / f"{name}.fmu"
    shutil.copy(os.environ["OMC_STANDIN_FMU"], target)
    if last == "Windows":
        with zipfile.ZipFile(target) as archive:
            description = archive.read("modelDescription.xml")
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("modelDescription.xml", description)
            archive.writestr("binaries/win64/VanDerPol.dll", b"MZ")
    say(str(target))
    return "Warning: The initial conditions are not fully specified."


def exists(name: str) -> bool:
    return name == PACKAGE or name in CLASSES


def say(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    tell(f'"{escaped}"')


def tell(value: str) -> None:
    sys.stdout.write(f"{value}\n")


if __name__ == "__main__":
    main()
