"""What every request passes first: host, origin, key, limits; and errors."""

from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from charrnn.errors import ConfigError
from charrnn.serving.guard import describe
from charrnn.serving.hosts import Hosts, Origins
from charrnn.serving.options import ServingConfig
from charrnn.serving.request_body import LARGEST_BODY
from charrnn.storage.model_directory import Model
from tests.serving.application import client_of
from tests.serving.conftest import LETTERS

KEY = "secret-key"


@pytest.fixture(scope="module")
def open_client(make_model: Callable[..., Model]) -> Iterator[TestClient]:
    """A client of a server without a key."""
    with client_of({"small": make_model(LETTERS)}, cors_origin=("https://a.example",)) as client:
        yield client


@pytest.fixture(scope="module")
def closed_client(make_model: Callable[..., Model]) -> Iterator[TestClient]:
    """A client of a server with a key, which it does not send by itself."""
    with client_of({"small": make_model(LETTERS)}, api_key=KEY) as client:
        yield client


@pytest.mark.parametrize(
    ("host", "served"),
    [
        *((each, True) for each in ("localhost", "localhost:80", "127.0.0.1:8080", "[::1]:1")),
        *((each, True) for each in ("10.1.2.3", "LOCALHOST", "app.localhost", "Proxy.Example")),
        *((each, False) for each in ("", "evil.example", "localhost.evil.example", "127.0.0.1.x")),
        *((each, False) for each in ("localhost@evil", "a b", "localhost:99999999", "[::1", "*")),
    ],
)
def test_only_hosts_that_nobody_else_can_choose_are_served(host: str, served: bool) -> None:
    assert (host in Hosts(["proxy.example"])) == served


def test_an_origin_is_the_servers_own_only_with_its_host_and_port() -> None:
    assert Origins.is_own("http://localhost:8080", "localhost:8080")
    assert not Origins.is_own("http://localhost:8081", "localhost:8080")
    assert not Origins.is_own("null", "localhost:8080")
    assert Origins(["https://a.example"]).is_allowed("https://A.example")
    assert not Origins(["https://a.example"]).is_allowed("https://a.example.evil")


def test_another_host_is_refused_in_json(open_client: TestClient) -> None:
    answer = open_client.get("/v1/models", headers={"host": "evil.example"})
    assert answer.status_code == 421
    assert answer.json()["error"]["code"] == "host_not_allowed"


def test_pages_of_other_origins_cannot_post_even_simple_requests(open_client: TestClient) -> None:
    for headers in (
        {"origin": "https://evil.example", "content-type": "text/plain"},
        {"origin": "null", "content-type": "application/json"},
        {"sec-fetch-site": "cross-site", "content-type": "application/json"},
    ):
        answer = open_client.post("/v1/completions", content=b"{}", headers=headers)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    answer = open_client.get("/v1/models", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
    preflight = {
        "origin": "https://evil.example",
        "access-control-request-method": "POST",
    }
    assert open_client.options("/v1/completions", headers=preflight).status_code == 403


def test_a_page_of_an_allowed_origin_may_use_the_server(open_client: TestClient) -> None:
    headers = {"origin": "https://a.example"}
    asked = open_client.options(
        "/v1/completions", headers={**headers, "access-control-request-method": "POST"}
    )
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == "https://a.example"
    # such as the x-stainless-os of the package openai; a star does not stand for the key's
    assert asked.headers["access-control-allow-headers"] == "authorization, *"
    answer = open_client.post("/tokenize", json={"prompt": "ab"}, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert answer.headers["vary"] == "origin"


def test_the_servers_own_page_may_post(open_client: TestClient) -> None:
    headers = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    assert open_client.post("/tokenize", json={"prompt": "ab"}, headers=headers).is_success


def test_the_key_is_needed_for_what_models_do(closed_client: TestClient) -> None:
    for path in ("/v1/models", "/metrics", "/api/runs", "/nothing"):
        answer = closed_client.get(path)
        assert answer.status_code == 401, path
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert answer.headers["www-authenticate"] == "Bearer"
        assert KEY not in answer.text
    for given in ("Bearer wrong", "Bearer", KEY, f"Basic {KEY}", "Bearer \xe9"):
        headers = {b"authorization": given.encode("latin-1")}
        assert closed_client.get("/v1/models", headers=headers).status_code == 401
    for given in (f"Bearer {KEY}", f"bearer  {KEY}"):
        assert closed_client.get("/v1/models", headers={"authorization": given}).is_success
    for path in ("/", "/health", "/openapi.json", "/page/main.js"):
        assert closed_client.get(path).is_success, path


def test_large_heads_and_urls_are_refused(open_client: TestClient) -> None:
    assert open_client.get("/health", headers={"x": "a" * 40_000}).status_code == 431
    many = {f"x-{number}": "a" for number in range(120)}
    assert open_client.get("/health", headers=many).status_code == 431
    assert open_client.get("/" + "a" * 9000).status_code == 414


def test_bodies_have_a_type_and_a_size(open_client: TestClient) -> None:
    answer = open_client.post("/tokenize", content=b'{"prompt": "a"}')
    assert answer.status_code == 415
    large = b'{"prompt": "' + b"a" * LARGEST_BODY + b'"}'
    json_type = {"content-type": "application/json; charset=utf-8"}
    for content in (large, iter([large[:1000], large[1000:]])):
        answer = open_client.post("/tokenize", content=content, headers=json_type)
        assert answer.status_code == 413
        assert f"{LARGEST_BODY:,}" in answer.json()["error"]["message"]
    answer = open_client.post("/tokenize", content=b'{"prompt": "a"}', headers=json_type)
    assert answer.status_code == 200


def test_wrong_paths_and_methods_are_said_in_json(open_client: TestClient) -> None:
    answer = open_client.post("/v1/embeddings", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    answer = open_client.get("/v1/completions")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["error"]["code"] == "method_not_allowed"
    for path in ("/page/../options.py", "/page/%2e%2e%2foptions.py", "/page/assets.py", "/page/"):
        assert open_client.get(path).status_code == 404, path


def test_every_response_has_a_policy(open_client: TestClient) -> None:
    for path in ("/", "/page/main.js", "/v1/models", "/nothing"):
        headers = open_client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_the_log_has_neither_the_query_nor_control_characters() -> None:
    scope = {"client": ("10.0.0.1", 5), "method": "GET", "path": "/a\x1b[31m\né"}
    line = describe({**scope, "query_string": b"key=secret"}, 200, 0.012)
    assert line == r"10.0.0.1 GET /a?[31m?\xe9 200 12 ms"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "my.machine"])
def test_another_host_needs_a_key_or_to_be_told(host: str) -> None:
    with pytest.raises(ConfigError, match="CHARRNN_API_KEY"):
        ServingConfig(host=host)
    assert not ServingConfig(host=host, no_key=True).is_local
    assert not ServingConfig(host=host, api_key=KEY).is_local


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": KEY, "no_key": True},
        *({"api_key": each} for each in ("", "a b", "é", "a\n")),
        *({"cors_origin": (each,)} for each in ("*", "example.org", "https://a.example/path")),
        {"host": ""},
        {"port": 70_000},
        {"max_concurrent": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        ServingConfig(**settings)  # type: ignore[arg-type]
