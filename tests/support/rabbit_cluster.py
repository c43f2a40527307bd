"""A cluster of three RabbitMQ nodes, on one machine and one port mapper."""

import os
import signal
import time

from tests.support.nodes import Rabbit

JOINED_WITHIN_S = 60


class RabbitCluster:
    """`nodes`: each with its own port; quorum queues have a replica on each."""

    def __init__(self, count: int = 3) -> None:
        first = Rabbit()
        self.nodes = [first]
        for _ in range(count - 1):
            self.nodes.append(_joined(first))

    @property
    def urls(self) -> str:
        """All URLs, for STAGEBELL_BROKER_URL."""
        return ",".join(node.url for node in self.nodes)

    def leader_of(self, queue: str) -> Rabbit:
        """The node with the queue's leader."""
        asked = next(n for n in self.nodes if n.process.poll() is None)
        deadline = time.monotonic() + JOINED_WITHIN_S
        while time.monotonic() < deadline:
            lines = asked.said("list_queues", "--quiet", "name", "leader").splitlines()
            leaders = dict(line.split("\t") for line in lines if line.count("\t") == 1)
            for node in self.nodes:
                if node.node == leaders.get(queue):
                    return node
            time.sleep(0.5)
        raise AssertionError(f"nobody leads {queue}: {lines}")

    def pause(self, node: Rabbit) -> None:
        """Freeze a node without closing its connections."""
        os.killpg(node.process.pid, signal.SIGSTOP)

    def go_on(self, node: Rabbit) -> None:
        """Continue a frozen node."""
        os.killpg(node.process.pid, signal.SIGCONT)

    def restart(self, node: Rabbit) -> None:
        """Stop and start a node, as an operator would."""
        node.control("stop")
        node.process.wait(60)
        node.start()
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Wait until every queue has all replicas again."""
        deadline = time.monotonic() + JOINED_WITHIN_S
        while time.monotonic() < deadline:
            lines = self.nodes[0].said("list_queues", "--quiet", "name", "members", "online").splitlines()
            parts = [line.split("\t") for line in lines if line.count("\t") == 2]
            if parts and all(members.count("@") == online.count("@") for name, members, online in parts if members):
                return
            time.sleep(0.5)

    def close(self) -> None:
        """Stop all; the port mapper ends with the first."""
        for node in reversed(self.nodes):
            node.close(mapper=node is self.nodes[0])


def _joined(first: Rabbit) -> Rabbit:
    node = Rabbit(beside=first)
    for command in (("stop_app",), ("join_cluster", first.node), ("start_app",)):
        node.control(*command)
    return node
