"""`storyreel deploy` and Prefect's own command say the same."""

from pathlib import Path

import pytest
import yaml
from prefect.client.schemas.objects import StateType
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from deployments import deploy

WRITTEN = yaml.safe_load((Path(deploy.__file__).parent / "prefect.yaml").read_text())


def test_the_file_describes_the_same_deployment() -> None:
    (described,) = WRITTEN["deployments"]
    assert described == {
        "name": deploy.NAME,
        "entrypoint": deploy.ENTRYPOINT,
        "description": deploy.DESCRIPTION,
        "tags": [deploy.TAG],
        "enforce_parameter_schema": True,
        "work_pool": {"name": deploy.POOL, "job_variables": deploy.JOB_VARIABLES},
    }


def test_the_file_prepares_what_the_deployment_needs_and_fetches_nothing() -> None:
    assert WRITTEN["build"] == [{f"{deploy.__name__}.{deploy.prepare.__name__}": {}}]
    assert WRITTEN["pull"] == []


@pytest.mark.parametrize("automation", deploy.automations(), ids=lambda automation: automation.name)
def test_an_automation_looks_after_our_runs_only(automation: AutomationCore) -> None:
    trigger = automation.trigger
    assert isinstance(trigger, EventTrigger)
    assert trigger.posture is Posture.Proactive
    assert trigger.match_related.model_dump() == {"prefect.resource.id": [f"prefect.tag.{deploy.TAG}"]}
    assert trigger.within.total_seconds() + 10 <= 90
    assert "prefect.flow-run.Completed" in trigger.expect


def test_a_silent_run_is_begun_again_and_one_being_cancelled_ended() -> None:
    assert [automation.actions[0].state for automation in deploy.automations()] == [
        StateType.SCHEDULED,
        StateType.CANCELLED,
    ]
