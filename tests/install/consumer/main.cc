// A host program that knows the installed package only: catches what libaltrt throws, builds a model, saves it as
// MODEL.onnx, runs it. usage: consumer MODEL.onnx
#include <altrt/altrt.h>

#include <cstdio>

namespace {

bool error_arrives() {
  try {
    altrt::Model::load("/nowhere/model.onnx");
  } catch (const altrt::Error& error) {
    std::printf("altrt %s: %s\n", altrt::version().c_str(), error.what());
    return error.code() == altrt::ErrorCode::io;
  }
  return false;
}

// y = relu(x w), x = (1, 2, 3), w = columns (1, 1, 1) and (1, 1, -2): y = (6, 0).
altrt::Model make_model() {
  altrt::Tensor weights(altrt::DataType::f32, {3, 2});
  const float values[] = {1, 1, 1, 1, 1, -2};
  for (int i = 0; i < 6; ++i) weights.as<float>()[i] = values[i];
  altrt::GraphBuilder builder("consumer");
  builder.input("x", altrt::DataType::f32, {1, 3});
  const std::string w = builder.constant("w", std::move(weights));
  builder.output(builder.op("Relu", {builder.op("MatMul", {"x", w})}, {}, "y"));
  return builder.build();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || !error_arrives()) return 1;
  const altrt::Model model = make_model();
  model.save(argv[1]);
  altrt::SessionOptions options;
  options.cache.directory = "none";
  const altrt::Session session(model, options);
  const float x[] = {1, 2, 3};
  auto outputs = session.run({{"x", altrt::TensorView(x, {1, 3})}});
  const float* y = outputs.at("y").as<float>();
  std::printf("y = %g, %g\n", y[0], y[1]);
  return y[0] == 6 && y[1] == 0 ? 0 : 2;
}
