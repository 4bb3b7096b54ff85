// Runs an ONNX model once: hello MODEL.onnx. All dimensions of its inputs must be fixed.
#include <altrt/altrt.h>

#include <algorithm>
#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: hello MODEL.onnx\n"), 2;
  try {
    const auto model = altrt::Model::load(argv[1]);
    const altrt::Session session(model);

    // One context per thread; it remembers what is bound and holds the scratch memory.
    altrt::Context context = session.context();
    std::map<std::string, altrt::Tensor> inputs;
    for (const altrt::ValueInfo& info : session.inputs()) {
      altrt::Tensor& input = inputs[info.name] = altrt::Tensor(info.type, info.shape);
      if (info.type == altrt::DataType::f32) std::fill_n(input.as<float>(), altrt::element_count(info.shape), 0.5f);
      context.bind(info.name, input.view());
    }
    session.run(context);

    for (const altrt::ValueInfo& info : session.outputs()) {
      const altrt::TensorView output = context.output(info.name);
      std::printf("%s: %s %s", info.name.c_str(), to_string(info.type), altrt::to_string(info.shape).c_str());
      if (info.type == altrt::DataType::f32 && output.bytes() > 0) std::printf(", first %g", *output.as<float>());
      std::printf("\n");
    }
  } catch (const altrt::Error& error) {
    return std::fprintf(stderr, "hello: %s\n", error.what()), 1;
  }
}
