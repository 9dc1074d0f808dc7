"""A server of Google Cloud Storage's JSON API with the bucket "arabic-r1", in memory; the `bucket` fixture runs it.

gcp-storage-emulator, mended in the two points by which TensorStore keeps concurrent writers apart: an answer tells the
generation of the object that is read, and a write may ask that the object still have the generation it names.
Prints its port and serves until its standard input ends.
"""

import sys
from http import HTTPStatus

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import objects
from gcp_storage_emulator.server import create_server

download, upload = objects.download, objects._media_upload


def generation(storage, bucket, name):
    """An object's, "0" for one that is not there."""
    try:
        return storage.get_file_obj(bucket, name)["generation"]
    except NotFound:
        return "0"


def download_with_generation(request, response, storage):
    response["x-goog-generation"] = generation(storage, request.params["bucket_name"], request.params["object_id"])
    download(request, response, storage)


def upload_if_unchanged(request, response, storage):
    now = generation(storage, request.params["bucket_name"], request.query["name"][0])
    if request.query.get("ifGenerationMatch", [now]) == [now]:
        upload(request, response, storage)
    else:
        response.status = HTTPStatus.PRECONDITION_FAILED


objects.download, objects._media_upload = download_with_generation, upload_if_unchanged
server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="arabic-r1")
server.start()
print(server._api._httpd.server_address[1], flush=True)
sys.stdin.read()
server.stop()
