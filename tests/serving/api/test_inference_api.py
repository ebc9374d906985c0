"""A client of the Open Inference Protocol that others wrote infers with a model in service."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from models import Detector
from models.package import ModelPackage
from serving.city import City
from tests.camera_adapters.clips import TinyClip
from tests.pipelines.delivery.http_receiver import Receiver
from tests.serving.cities import city_plan
from tests.serving.conftest import RunningCluster
from tests.serving.packages import SIZE, brightness_package

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

INFER = "/v2/models/brightness/infer"


@dataclass(frozen=True)
class Served:
    client: Any
    port: int
    token: dict[str, str]
    package: ModelPackage

    @property
    def auth(self) -> dict[str, str]:
        """A copy: the client writes into the headers that it is given."""
        return dict(self.token)

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request("POST", path, body, given | self.auth)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def served(
    running_cluster: RunningCluster, tiny_clip: TinyClip, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("inference")
    package = brightness_package(folder / "packages")
    receiver = Receiver()
    clip = f"{tiny_clip.path.as_uri()}?realtime=1&loop=1"
    city = City(city_plan({"gate": clip}, package, folder, receiver.url))
    client = triton.InferenceServerClient(f"127.0.0.1:{running_cluster.api_port}")
    yield Served(client, running_cluster.api_port, running_cluster.auth, package)
    client.close()
    city.stop()
    receiver.close()


def images(*values: int) -> np.ndarray:
    grey = np.array(values, np.uint8)[:, None, None, None]
    return np.ascontiguousarray(np.broadcast_to(grey, (len(values), SIZE.height, SIZE.width, 3)))


def test_the_client_finds_a_server_that_is_ready_and_a_model_with_its_tensors(served):
    assert served.client.is_server_live(headers=served.auth)
    assert served.client.is_server_ready(headers=served.auth)
    assert served.client.is_model_ready("brightness", headers=served.auth)
    assert not served.client.is_model_ready("brightness", "7", headers=served.auth)
    assert (
        "binary_tensor_data" in served.client.get_server_metadata(headers=served.auth)["extensions"]
    )
    found = served.client.get_model_metadata("brightness", headers=served.auth)
    assert found["versions"] == ["1"]
    assert found["inputs"] == [
        {"name": "images", "datatype": "UINT8", "shape": [-1, SIZE.height, SIZE.width, 3]}
    ]
    assert found["properties"]["labels"] == ["person"]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("version", ["", "1"])
def test_the_client_gets_the_boxes_that_the_package_gives(served, binary, version):
    given = images(64, 0, 192)
    wanted = triton.InferInput("images", list(given.shape), "UINT8")
    wanted.set_data_from_numpy(given, binary_data=binary)
    output = triton.InferRequestedOutput("detections", binary_data=binary)
    answer = served.client.infer(
        "brightness", [wanted], version, [output], request_id="seven", headers=served.auth
    )
    assert answer.get_response()["id"] == "seven"
    rows = answer.as_numpy("detections")
    for row, one in zip(rows, Detector(served.package, provider="cpu").detect(given), strict=True):
        found = row[row[:, 4] > 0]
        np.testing.assert_allclose(found[:, :4], one.boxes)
        np.testing.assert_allclose(found[:, 4], one.scores)
        assert found[:, 5].tolist() == one.class_ids.tolist()


def test_a_stranger_gets_nothing(served):
    with pytest.raises(InferenceServerException, match="401"):
        served.client.get_model_metadata("brightness")


@pytest.mark.parametrize(
    ("shape", "datatype", "name", "problem"),
    [
        ([1, 48, 64, 3], "FP32", "images", "takes UINT8"),
        ([1, 64, 48, 3], "UINT8", "images", r"must be \[N, 48, 64, 3\]"),
        ([1, 48, 64, 3], "UINT8", "pixels", "there is no input 'pixels'"),
        ([0, 48, 64, 3], "UINT8", "images", "takes 1 to 16"),
    ],
)
def test_the_client_is_told_what_the_model_takes(served, shape, datatype, name, problem):
    data = np.zeros(shape, np.uint8 if datatype == "UINT8" else np.float32)
    wanted = triton.InferInput(name, shape, datatype)
    wanted.set_data_from_numpy(data)
    with pytest.raises(InferenceServerException, match=problem):
        served.client.infer("brightness", [wanted], headers=served.auth)


def test_what_is_no_request_is_refused_in_the_form_of_the_protocol(served):
    pixels = 48 * 64 * 3
    one = {"name": "images", "datatype": "UINT8", "shape": [1, 48, 64, 3]}
    cases = [
        (b"no json", {}, "is wrong at"),
        (b"{}", {}, "`inputs`"),
        (json.dumps({"inputs": [{**one, "data": [1, 2]}]}).encode(), {}, "has 2 values"),
        (json.dumps({"inputs": [{**one, "data": [300] * pixels}]}).encode(), {}, "0 to 255"),
        (json.dumps({"inputs": [{**one, "data": ["x"] * pixels}]}).encode(), {}, "whole numbers"),
        (json.dumps({"inputs": [one]}).encode(), {}, "either `data`"),
        (b"{}", {"Inference_Header_Content_Length": "99"}, "no length within"),
        (b"{}", {"Inference_Header_Content_Length": "-1"}, "no length within"),
    ]
    for body, headers, problem in cases:
        status, answer = served.post(INFER, body, **headers)
        assert status == 400, problem
        assert problem in answer["error"]
    parameters = {"binary_data_size": 5}
    head = json.dumps({"inputs": [{**one, "parameters": parameters}]}).encode()
    length = str(len(head))
    status, answer = served.post(INFER, head + b"12345", Inference_Header_Content_Length=length)
    assert (status, "its shape needs 9216" in answer["error"]) == (400, True)
    status, answer = served.post(INFER.replace("brightness", "nothing"), b"{}")
    assert (status, "there is no model 'nothing'" in answer["error"]) == (404, True)
