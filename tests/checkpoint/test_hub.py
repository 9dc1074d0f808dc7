"""Conversion from the Hub, against a server that speaks as much of its protocol as huggingface_hub asks for."""

import collections
import hashlib
import http.server
import json
import re
import tempfile
import threading
from pathlib import Path

import pytest

from arabic_r1_jax.checkpoint import convert, hub
from arabic_r1_jax.checkpoint.verify import verify
from arabic_r1_jax.cli import main
from arabic_r1_jax.errors import UserError

pytest.importorskip("huggingface_hub")
SHA = "0123456789abcdef0123456789abcdef01234567"


class Server(http.server.ThreadingHTTPServer):
    """Serves one folder as the repository "lab/model"."""

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.whole, self.breaks = folder, collections.Counter(), set()


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, body):
        if re.fullmatch(r"/api/models/lab/model(/revision/\w+)?", self.path):
            files = ",".join(f'{{"rfilename": "{path.name}"}}' for path in self.server.folder.iterdir())
            text = f'{{"id": "lab/model", "modelId": "lab/model", "sha": "{SHA}", "siblings": [{files}]}}'
            return self._send(200, text.encode(), body, {"Content-Type": "application/json"})
        match = re.fullmatch(r"/lab/model/resolve/\w+/([\w.-]+)", self.path)
        path = self.server.folder / match[1] if match else None
        if path is None or not path.is_file():
            return self._send(404, b"", body, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "no such repository"})
        if path.name in self.server.breaks and body and "Range" not in self.headers:
            self.close_connection = True
            return None
        data, code = path.read_bytes(), 200
        headers = {
            "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
            "X-Repo-Commit": SHA,
            "Accept-Ranges": "bytes",
            "Content-Type": "application/octet-stream",
        }
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            data, code = data[first : last + 1], 206
        elif body:
            self.server.whole[path.name] += 1
        return self._send(code, data, body, headers)

    def _send(self, code, data, body, headers):
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """A function: starts the server for a folder."""
    servers = []

    def start(folder):
        server = Server(folder)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        return server

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def shards_on_disk():
    return list(Path(tempfile.gettempdir()).rglob("*.safetensors"))


@pytest.mark.parametrize("stored, dtype", [("fp8", "stored"), ("fp8", "bf16"), ("bf16", "fp8")])
def test_a_repository_converts_as_its_folder_does(serve, make_fp8, make_hf, tmp_path, stored, dtype):
    folder = make_fp8() if stored == "fp8" else make_hf(shard_bytes=5000)
    server = serve(folder)
    most = []
    convert.hf_to_orbax("lab/model", tmp_path / "orbax", dtype, lambda *_: most.append(len(shards_on_disk())))
    assert verify(folder, tmp_path / "orbax") == []
    names = {path.name for path in folder.glob("*.safetensors")}
    assert len(names) > hub.KEPT + 1
    assert max(most) <= hub.KEPT + 1
    assert {name: server.whole[name] for name in names} == dict.fromkeys(names, 1)  # each fetched once
    assert list(Path(tempfile.gettempdir()).iterdir()) == []  # and nothing left behind
    assert (tmp_path / "orbax" / "generation_config.json").is_file()


def test_a_dry_run_fetches_no_weight(serve, make_hf, tmp_path, capsys):
    server = serve(make_hf())
    words = ["convert", "hf-to-orbax", "lab/model", str(tmp_path / "orbax"), "--dry-run", "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["download"] == told["bytes"] > 0
    assert main([*words, "--dtype", "fp8"]) == 0
    small = json.loads(capsys.readouterr().out)
    assert small["bytes"] < small["download"] == told["bytes"]
    assert not [name for name in server.whole if name.endswith(".safetensors")]
    assert not (tmp_path / "orbax").exists()


def test_a_transfer_that_breaks_is_gone_on_with(serve, make_fp8, tmp_path):
    folder = make_fp8()
    server = serve(folder)
    names = sorted(path.name for path in folder.glob("*.safetensors"))
    server.breaks.add(names[2])
    with pytest.raises(UserError, match=f"{names[2]}: the Hub does not give it"):
        convert.hf_to_orbax("lab/model", tmp_path / "orbax")
    server.breaks.clear()
    server.whole.clear()
    convert.hf_to_orbax("lab/model", tmp_path / "orbax")
    assert verify(folder, tmp_path / "orbax") == []
    assert server.whole[names[0]] == 0  # what was written is not fetched again


def test_a_repository_that_is_not_there_is_one_line(serve, make_hf, tmp_path):
    serve(make_hf())
    with pytest.raises(UserError, match="lab/other: the Hub does not give it"):
        convert.hf_to_orbax("lab/other", tmp_path / "orbax")
    assert not (tmp_path / "orbax").exists()


def test_an_unsupported_repository_is_refused_before_any_weight_is_fetched(serve, make_hf, tmp_path):
    folder = make_hf()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_act": "gelu"}))
    server = serve(folder)
    with pytest.raises(UserError, match="hidden_act"):
        convert.hf_to_orbax("lab/model", tmp_path / "orbax")
    assert not [name for name in server.whole if name.endswith(".safetensors")]


def test_a_folder_that_is_here_is_no_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert hub.is_hub_id("lab/model")
    assert hub.is_hub_id("lab/model@main")
    (tmp_path / "lab" / "model").mkdir(parents=True)
    assert not hub.is_hub_id("lab/model")
    assert not hub.is_hub_id("/lab/model")
    assert not hub.is_hub_id("../lab/model")
    assert not hub.is_hub_id("model")
