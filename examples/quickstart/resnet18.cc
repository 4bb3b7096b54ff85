// Writes a ResNet-18 with seeded weights as an ONNX file: resnet18 OUT.onnx. Shows how a host program makes a model
// without a file.
#include <altrt/altrt.h>

#include <cmath>
#include <cstdio>
#include <random>
#include <string>

namespace {

using altrt::DataType;
using altrt::GraphBuilder;
using altrt::Shape;
using altrt::Tensor;

class ResNet18 {
 public:
  altrt::Model build() {
    std::string x = builder_.input("x", DataType::f32, {1, 3, 224, 224});
    x = relu(convolution(x, 3, 64, 7, 2));
    x = builder_.op("MaxPool", {x}, {{"kernel_shape", pair(3)}, {"strides", pair(2)}, {"pads", border(1)}});
    int64_t channels = 64;
    for (const int64_t width : {64, 128, 256, 512}) {
      x = block(x, channels, width, width == 64 ? 1 : 2);
      x = block(x, width, width, 1);
      channels = width;
    }
    x = builder_.op("Flatten", {builder_.op("GlobalAveragePool", {x})});
    x = builder_.op("Gemm", {x, weight({1000, 512}, 512), weight({1000}, 512)}, {{"transB", 1}}, "y");
    builder_.output(x);
    return builder_.build();
  }

 private:
  static std::vector<int64_t> pair(int64_t value) { return {value, value}; }
  static std::vector<int64_t> border(int64_t value) { return {value, value, value, value}; }
  std::string relu(const std::string& x) { return builder_.op("Relu", {x}); }

  std::string weight(const Shape& shape, int64_t fan_in) {
    Tensor values(DataType::f32, shape);
    std::normal_distribution<float> normal(0, std::sqrt(2.0f / static_cast<float>(fan_in)));
    for (int64_t i = 0; i < altrt::element_count(shape); ++i) values.as<float>()[i] = normal(generator_);
    return builder_.constant("w" + std::to_string(count_++), std::move(values));
  }

  std::string convolution(const std::string& x, int64_t in, int64_t out, int64_t kernel, int64_t stride) {
    const int64_t fan_in = in * kernel * kernel;
    return builder_.op("Conv", {x, weight({out, in, kernel, kernel}, fan_in), weight({out}, fan_in)},
                       {{"strides", pair(stride)}, {"pads", border(kernel / 2)}});
  }

  std::string block(const std::string& x, int64_t in, int64_t out, int64_t stride) {
    const std::string inner = relu(convolution(x, in, out, 3, stride));
    const std::string shortcut = stride == 1 && in == out ? x : convolution(x, in, out, 1, stride);
    return relu(builder_.op("Add", {convolution(inner, out, out, 3, 1), shortcut}));
  }

  GraphBuilder builder_{"resnet18"};
  std::mt19937 generator_{1};
  int count_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: resnet18 OUT.onnx\n"), 2;
  try {
    ResNet18().build().save(argv[1]);
  } catch (const altrt::Error& error) {
    return std::fprintf(stderr, "resnet18: %s\n", error.what()), 1;
  }
}
