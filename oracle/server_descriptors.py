#!/usr/bin/env python3
"""Makes the descriptors that the server's gRPC reflection answers, from its proto files.

    server_descriptors.py           writes crates/lorgnette-server/proto/descriptors.bin
    server_descriptors.py --check   fails if the file is another, or if a field has another number
                                    or type than in tritonclient's messages

Needs grpcio-tools; --check needs tritonclient[grpc] too.
"""

import pathlib
import sys
import tempfile

import grpc_tools
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).parent.parent / "crates/lorgnette-server/proto"
FILES = ["inference", "tensorflow", "tensorflow_serving", "health", "reflection"]


def compiled():
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "descriptors.bin"
        arguments = ["protoc", f"-I{PROTO}", f"-I{well_known}", "--include_imports"]
        arguments += [f"--descriptor_set_out={out}", *(f"{name}.proto" for name in FILES)]
        if protoc.main(arguments) != 0:
            sys.exit("protoc refuses the files")
        return out.read_bytes()


def differences(own, theirs, path):
    """Fields of `own` that the message `theirs` does not have in the same form."""
    fields = {field.name: field for field in theirs.field}
    for field in own.field:
        other = fields.get(field.name)
        if other is None:
            yield f"{path}.{field.name} is not there"
        elif (field.number, field.type, field.label) != (other.number, other.type, other.label):
            yield f"{path}.{field.name} is number {other.number}, type {other.type}"
    nested = {message.name: message for message in theirs.nested_type}
    for message in own.nested_type:
        if message.name in nested:
            yield from differences(message, nested[message.name], f"{path}.{message.name}")


def compare_with_tritonclient(bytes_):
    from tritonclient.grpc import model_config_pb2, service_pb2

    theirs = {}
    for module in [service_pb2, model_config_pb2]:
        file = descriptor_pb2.FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
        theirs.update({message.name: message for message in file.message_type})
    files = descriptor_pb2.FileDescriptorSet.FromString(bytes_).file
    own = next(file for file in files if file.name == "inference.proto")
    wrong = []
    for message in own.message_type:
        if message.name not in theirs:
            wrong.append(f"{message.name} is not there")
        else:
            wrong += differences(message, theirs[message.name], message.name)
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(own.message_type)} messages are tritonclient's")


def main():
    bytes_ = compiled()
    target = PROTO / "descriptors.bin"
    if "--check" in sys.argv[1:]:
        if target.read_bytes() != bytes_:
            sys.exit(f"{target} is not what the proto files give: run {sys.argv[0]}")
        compare_with_tritonclient(bytes_)
    else:
        target.write_bytes(bytes_)


if __name__ == "__main__":
    main()
