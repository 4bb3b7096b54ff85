#include <onnx/checker.h>
#include <onnx/defs/schema.h>
#include <onnx/onnx_pb.h>

#include <stdexcept>

#include "others.h"

std::string through_protobuf(const std::string& model) {
  onnx::ModelProto message;
  if (!message.ParseFromString(model)) throw std::runtime_error("protobuf cannot read libaltrt's model");
  if (message.graph().name() != "guest" || message.graph().node_size() < 8) {
    throw std::runtime_error("protobuf reads another model: " + message.ShortDebugString().substr(0, 300));
  }
  onnx::checker::check_model(message);
  if (!onnx::OpSchemaRegistry::Schema("Conv")) throw std::runtime_error("libonnx has lost its operators");
  message.set_producer_name("host");
  std::string bytes;
  if (!message.SerializeToString(&bytes)) throw std::runtime_error("protobuf cannot write the model");
  return bytes;
}
