// Algorithms that round differently than the operator's own sum: where they are used, and where the weights forbid it.
#include "tests/session/models.h"

namespace altrt {
namespace {

Model convolution(const Shape& image, float scale, int64_t dilation = 1) {
  const int64_t channels = image[1];
  const size_t rank = image.size() - 2;
  GraphBuilder b("convolution");
  b.input("x", DataType::f32, image);
  Shape kernel{channels, channels};
  kernel.insert(kernel.end(), rank, 3);
  const auto w = b.constant("w", random_tensor(kernel, 3, scale));
  b.output(b.op("Conv", {"x", w}, {{"pads", Ints(2 * rank, dilation)}, {"dilations", Ints(rank, dilation)}}, "y"));
  return b.build();
}

/// As a decoder's: doubles the image.
Model transposed(const Shape& image, float scale) {
  GraphBuilder b("transposed");
  b.input("x", DataType::f32, image);
  const auto w = b.constant("w", random_tensor({image[1], image[1], 4, 4}, 3, scale));
  b.output(b.op("ConvTranspose", {"x", w}, {{"pads", Ints(4, 1)}, {"strides", Ints(2, 2)}}, "y"));
  return b.build();
}

struct Made {
  std::string algorithm, log;
  Tensors inputs, outputs;
};

Made make(const Model& model, Numerics numerics = Numerics::standard, const std::string& algorithm = "") {
  Made made;
  SessionOptions options;
  options.threads = 1;
  options.cache.directory = "none";
  options.providers = {"own"};
  options.numerics = numerics;
  options.algorithm = algorithm;
  options.log = [&](LogLevel, const std::string& line) { made.log += line + "\n"; };
  const Session session(model, options);
  for (const KernelInfo& kernel : session.info().plan)
    if (kernel.op == "Conv" || kernel.op == "ConvTranspose") made.algorithm = kernel.algorithm;
  made.inputs = make_inputs(session.inputs(), 2);
  made.outputs = session.run(views(made.inputs));
  return made;
}

TEST(Accuracy, UntunedConvolutionsTakeWinogradUnlessNumericsAreStrict) {
  for (const auto& [image, dilation] :
       std::vector<std::pair<Shape, int64_t>>{{{1, 64, 24, 24}, 1}, {{1, 64, 24, 20}, 2}, {{1, 64, 3, 16, 16}, 1}}) {
    const Model model = convolution(image, 0.1f, dilation);
    const Made standard = make(model), strict = make(model, Numerics::strict);
    EXPECT_EQ(standard.algorithm.substr(0, 8), "winograd");
    EXPECT_EQ(strict.algorithm, "direct");
    expect_close(standard.outputs, strict.outputs);
  }
}

TEST(Accuracy, TransposedConvolutionsOfLargeImagesTakeWinogradToo) {
  const Model model = transposed({1, 128, 32, 32}, 0.1f);
  const Made standard = make(model), strict = make(model, Numerics::strict);
  EXPECT_EQ(standard.algorithm, "winograd4");
  EXPECT_EQ(strict.algorithm, "phases");
  expect_close(standard.outputs, strict.outputs);
  const Made held = make(transposed({1, 128, 32, 32}, 3e36f));
  EXPECT_EQ(held.algorithm, "phases");
  EXPECT_NE(held.log.find("'y' (ConvTranspose) computes directly: winograd4"), std::string::npos) << held.log;
}

TEST(Accuracy, WeightsThatTheTransformsCannotHoldAreMultipliedDirectly) {
  // Sums that pass the largest number in the transformed domain alone, weights that have few digits left.
  for (const auto& [scale, algorithm] :
       std::vector<std::pair<float, const char*>>{{3e36f, ""}, {1e-41f, ""}, {1e-41f, "winograd2"}}) {
    const Made made = make(convolution({1, 64, 24, 24}, scale), Numerics::standard, algorithm);
    EXPECT_EQ(made.algorithm, "direct") << scale;
    EXPECT_NE(made.log.find("'y' (Conv) computes directly: winograd"), std::string::npos) << made.log;
  }
}

}  // namespace
}  // namespace altrt
