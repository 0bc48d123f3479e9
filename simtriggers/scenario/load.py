"""Reads a scenario file with its project, and finds everything that is wrong with the two in one run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..aws.arn import Names
from ..errors import UserError, UserErrors
from ..kernel.clock import parse_iso
from ..project.load import Document, and_also, load_yaml, raise_all
from ..project.model import ACCOUNT, REGION, Project, ProjectFile, Resources, find_project, load_project, problems
from ..project.validate import check
from .model import ScenarioFile
from .names import names_in_data, names_of, unknown_names
from .times import out_of_order


@dataclass(frozen=True, slots=True)
class Scenario:
    """A checked scenario with its project. `folder` is where relative files of steps start."""

    path: Path
    file: ScenarioFile
    project: Project
    document: Document

    @property
    def name(self) -> str:
        """Its name: the one it gives itself, or its file's, or its folder's for a `scenario.yaml`."""
        return self.file.name or (self.path.stem if self.path.stem != "scenario" else self.path.resolve().parent.name)


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario and its project. Raises UserError, or UserErrors with all mistakes."""
    yaml: list[UserError] = []
    document = load_yaml(path, wrong=yaml)
    file, errors = check(ScenarioFile, document)
    if file is None:
        raise_all(and_also(yaml, [*errors, *_project_in_data(path, document)]))
        raise AssertionError("a scenario that could not be made has errors")
    wrong = [*_missing_files(path, file, document)]
    wrong += out_of_order(document, file.steps, start_ms=parse_iso(file.start))
    try:
        project = _project(path, file, document)
    except UserError as error:
        raise_all(and_also(yaml, [*_each(error), *wrong, *_unknown_to_project(path, document)]))
        raise
    raise_all(and_also(yaml, [*unknown_names(document, names_of(project.resources)), *wrong]))
    return Scenario(path, file, project, document)


def _each(error: UserError) -> list[UserError]:
    return error.errors if isinstance(error, UserErrors) else [error]


def _project_in_data(path: Path, document: Document) -> list[UserError]:
    """What is wrong with the project of a scenario that has mistakes itself, and the names that it lacks."""
    named = document.get(("project",))
    if named is None:
        return unknown_names(document, names_in_data(document.data))
    if not isinstance(named, str):
        return []
    try:
        _load_project(path, named, document)
    except UserError as error:
        return [*_each(error), *_unknown_to_project(path, document)]
    return _unknown_to_project(path, document)


def _unknown_to_project(path: Path, document: Document) -> list[UserError]:
    """The names that a scenario uses and its project's file does not declare. That file may have mistakes: a
    section that it does not have may be one of them, so names of such a section are passed over."""
    named = document.get(("project",))
    if not isinstance(named, str):
        return []
    try:
        data = load_yaml(find_project(path.parent / named), wrong=[]).data
    except UserError:
        return []
    return unknown_names(document, {section: names for section, names in names_in_data(data).items() if names})


def _missing_files(path: Path, file: ScenarioFile, document: Document) -> Iterator[UserError]:
    for index, step in enumerate(file.steps):
        name = step.put_object.file if step.put_object is not None else None
        numbered = "times" in step.model_fields_set and "{n}" in (name or "")
        if name is not None and not numbered and not (path.parent / name).is_file():
            place = ("steps", index, "put_object", "file")
            yield document.error(place, f"there is no file {name!r}", fix="the path is relative to the scenario")


def _project(path: Path, file: ScenarioFile, document: Document) -> Project:
    inline = [name for name in Resources.model_fields if getattr(file, name)]
    if file.project is not None:
        if inline:
            raise document.error(
                ("project",),
                f"the scenario names a project and declares {', '.join(inline)} itself",
                fix="keep one of the two",
                key=True,
            )
        return _with_names(_load_project(path, file.project, document), file)
    project = Project(file, path.parent.resolve(), Names(file.account or ACCOUNT, file.region or REGION))
    raise_all(problems(project, document))
    return project


def _load_project(path: Path, named: str, document: Document) -> Project:
    target = path.parent / named
    if not target.exists():
        place = ("project",)
        raise document.error(place, f"there is no project {named!r}", fix="the path is relative to the scenario")
    return load_project(target)


def _with_names(project: Project, file: ScenarioFile) -> Project:
    """The project under the scenario's account and region. The machine's AWS_REGION has no say: the same
    scenario gives the same trace everywhere."""
    declared = project.resources
    assert isinstance(declared, ProjectFile)
    names = Names(file.account or declared.account, file.region or declared.region or REGION)
    return replace(project, names=names)
