"""Notifications: kept, read and deleted as configured, and posted without holding anybody up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from a2a_door.conftest import Held
from a2a_door.receiver import Receiver, receiving
from a2a_door.requirements import holds
from a2a_door.wire import Failed, Wire, answer, data_of, message, state_of, until

from gateway_a2a import push
from gateway_a2a.push_configs import MOST_CONFIGS

RUN: Final[dict[str, Any]] = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0}
HOOK: Final = "https://example.com/hook"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """`example.com` is somewhere public; nothing is resolved by anybody else's help."""

    async def public(url: str) -> bool:
        return url.startswith("https://example.com")

    monkeypatch.setattr(push, "validate_push_notification_url", public)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """An address of this machine, which counts as public here."""

    async def ours(url: str) -> bool:
        return url.startswith(("http://localhost:", "http://127.0.0.1:", "http://[::1]:"))

    monkeypatch.setattr(push, "validate_push_notification_url", ours)
    monkeypatch.setattr(push, "PAUSES_S", (0.0, 0.01, 0.02, 0.03))
    with receiving() as address:
        yield address


def create(wire: Wire, task: dict[str, Any], **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return wire.call("CreateTaskPushNotificationConfig", {"taskId": task["id"], **fields})


@pytest.mark.usefixtures("names")
@holds("push-create", "push-get", "push-list", "push-delete")
def test_configurations_are_made_read_listed_and_deleted(wire: Wire) -> None:
    task = wire.run("account", {})
    authentication = {"scheme": "Bearer", "credentials": "secret"}
    made = create(wire, task, id="one", url=HOOK, token="t", authentication=authentication)  # noqa: S106
    other = create(wire, task, url=f"{HOOK}/2")
    asked = {"taskId": task["id"], "id": "one"}
    assert made == wire.call("GetTaskPushNotificationConfig", asked)
    assert made["authentication"] == authentication
    assert other["id"]
    listed = wire.call("ListTaskPushNotificationConfigs", {"taskId": task["id"]})
    assert listed["configs"] == [made, other]
    for _ in range(2):
        wire.call("DeleteTaskPushNotificationConfig", asked)
    with pytest.raises(Failed) as gone:
        wire.call("GetTaskPushNotificationConfig", asked)
    assert gone.value.reason == "TASK_NOT_FOUND"
    listed = wire.call("ListTaskPushNotificationConfigs", {"taskId": task["id"]})
    assert listed["configs"] == [other]


@pytest.mark.usefixtures("names")
@holds("scope", "errors-silent")
def test_anothers_configurations_do_not_exist(wire: Wire, stranger: Wire) -> None:
    task = wire.run("account", {})
    create(wire, task, id="one", url=HOOK)
    for operation in ("Get", "List", "Delete", "Create"):
        suffix = "s" if operation == "List" else ""
        params = {"taskId": task["id"], "id": "one", "url": HOOK}
        if operation != "Create":
            del params["url"]
        if operation == "List":
            del params["id"]
        with pytest.raises(Failed) as refused:
            stranger.call(f"{operation}TaskPushNotificationConfig{suffix}", params)
        assert refused.value.reason == "TASK_NOT_FOUND"
    assert wire.call("ListTaskPushNotificationConfigs", {"taskId": task["id"]})["configs"]


@holds("push-screened")
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/",
        "http://localhost/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.1.2.3/",
        "http://2130706433/",
        "http://[fec0::1]/",
        "http://[2002:7f00:1::1]/",
        "http://0/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "//example.com",
        "http://",
        "",
    ],
)
def test_nothing_is_posted_to_where_the_public_cannot_reach(wire: Wire, url: str) -> None:
    task = wire.run("simulate", {})
    with pytest.raises(Failed) as refused:
        create(wire, task, url=url)
    assert refused.value.reason == "INVALID_PARAMS"
    configuration = {"taskPushNotificationConfig": {"url": url}}
    with pytest.raises(Failed) as refused:
        wire.send(message({"skill": "account"}), **configuration)
    assert refused.value.reason == "INVALID_PARAMS"


@holds("push-screened")
def test_a_name_that_has_moved_to_a_private_address_is_not_posted_to(
    wire: Wire, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = wire.run("simulate", {})
    create(wire, task, url=receiver.url)
    asked: list[str] = []

    async def moved(url: str) -> bool:
        asked.append(url)
        return False

    monkeypatch.setattr(push, "validate_push_notification_url", moved)
    wire.send(answer(task, RUN))
    until(lambda: asked, lambda urls: len(urls) >= 3)
    assert all("localhost" not in url for url in asked)  # the very address is judged
    assert receiver.came == []


@pytest.mark.usefixtures("names")
@holds("bounded", "errors-validate")
@pytest.mark.parametrize(
    "fields",
    [
        {"token": "x" * 9_000},
        {"token": "one\r\nX-Other: two"},
        {"authentication": {"scheme": "Bearer", "credentials": "gr\u00fc\u00dfe"}},
        {"authentication": {"scheme": "Bearer\n", "credentials": "x"}},
    ],
)
def test_what_cannot_be_sent_as_a_header_is_refused(wire: Wire, fields: dict[str, Any]) -> None:
    task = wire.run("account", {})
    with pytest.raises(Failed) as refused:
        create(wire, task, url=HOOK, **fields)
    assert refused.value.reason == "INVALID_PARAMS"


@pytest.mark.usefixtures("names")
@holds("bounded")
def test_a_task_has_only_so_many_configurations(wire: Wire) -> None:
    task = wire.run("account", {})
    for number in range(MOST_CONFIGS):
        create(wire, task, id=str(number), url=HOOK)
    create(wire, task, id="0", url=f"{HOOK}/again")
    with pytest.raises(Failed) as refused:
        create(wire, task, id="more", url=HOOK)
    assert refused.value.reason == "INVALID_PARAMS"


@holds("push-delivery", "push-authentication", "order")
def test_all_that_happens_is_posted_in_its_order_with_the_credentials(
    wire: Wire, receiver: Receiver
) -> None:
    authentication = {"scheme": "Bearer", "credentials": "secret"}
    config = {"url": receiver.url, "token": "mine", "authentication": authentication}
    task = wire.run("simulate", RUN, taskPushNotificationConfig=config)
    receiver.until_told("COMPLETED")
    assert receiver.states == ["SUBMITTED", "WORKING", "COMPLETED"]
    (told,) = [e["artifactUpdate"] for e in receiver.came if "artifactUpdate" in e]
    assert told["artifact"] == task["artifacts"][0]
    for headers in receiver.headers:
        assert headers["Authorization"] == "Bearer secret"
        assert headers["X-A2A-Notification-Token"] == "mine"
        assert headers["Content-Type"] == "application/json"
        assert headers["Host"] == receiver.url.split("/")[2]


@holds("push-delivery", "push-bounded")
@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_post_that_fails_is_repeated(wire: Wire, receiver: Receiver, status: int) -> None:
    receiver.answers += [status, status]
    wire.run("account", {}, taskPushNotificationConfig={"url": receiver.url})
    receiver.until_told("COMPLETED")
    assert receiver.states == ["SUBMITTED", "WORKING", "COMPLETED"]
    assert receiver.refused == 2


@holds("push-bounded", "push-screened")
@pytest.mark.parametrize("status", [302, 404, 410])
def test_what_is_refused_or_sent_elsewhere_is_not_repeated(
    wire: Wire, receiver: Receiver, status: int
) -> None:
    receiver.answers.append(status)
    wire.run("account", {}, taskPushNotificationConfig={"url": receiver.url})
    receiver.until_told("COMPLETED")
    assert receiver.states == ["WORKING", "COMPLETED"]
    assert receiver.refused == 1


@holds("push-bounded")
def test_an_address_that_fails_for_good_is_given_up_and_the_next_event_tried(
    wire: Wire, receiver: Receiver
) -> None:
    receiver.answers += [500] * 4
    wire.run("account", {}, taskPushNotificationConfig={"url": receiver.url})
    receiver.until_told("COMPLETED")
    assert receiver.states == ["WORKING", "COMPLETED"]
    assert receiver.refused == 4


@holds("push-bounded", "push-delete")
def test_an_address_that_does_not_answer_stalls_nothing_and_stops_when_deleted(
    wire: Wire, receiver: Receiver
) -> None:
    receiver.open.clear()
    config = {"url": receiver.url, "id": "slow"}
    task = wire.run("account", {}, taskPushNotificationConfig=config)
    assert state_of(task) == "COMPLETED"
    assert data_of(wire.run("simulate", RUN))["status"] == "done"
    assert receiver.came == []
    wire.call("DeleteTaskPushNotificationConfig", {"taskId": task["id"], "id": "slow"})
    receiver.open.set()
    until(lambda: len(receiver.came), lambda number: number == 1)
    other = {"taskPushNotificationConfig": {"url": receiver.url}}
    wire.run("account", {}, **other)
    receiver.until_told("COMPLETED")
    assert receiver.states == ["SUBMITTED", "SUBMITTED", "WORKING", "COMPLETED"]


@holds("push-delivery")
def test_who_configures_in_between_hears_of_what_comes_after(
    wire: Wire, receiver: Receiver, held: Held
) -> None:
    task = wire.run("simulate", RUN, returnImmediately=True)
    assert held.begun.acquire(timeout=20)
    create(wire, task, url=receiver.url)
    held.go.set()
    receiver.until_told("COMPLETED")
    assert receiver.states in (["COMPLETED"], ["WORKING", "COMPLETED"])
