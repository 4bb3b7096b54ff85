#include "runtime/onednn/build.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include <altrt/error.h>

namespace altrt::onednn {

void refuse(const std::string& reason) { throw Error(ErrorCode::unsupported, "oneDNN: " + reason); }

bool is_reference(const char* implementation) {
  const std::string_view name(implementation ? implementation : "");
  return name.substr(0, 3) == "ref" || name.find(":ref") != std::string_view::npos;
}

std::vector<int64_t> cut(int64_t extent, int64_t unit, int64_t parts) {
  const int64_t units = (extent + unit - 1) / unit;
  parts = std::clamp<int64_t>(parts, 1, units);
  std::vector<int64_t> ends;
  for (int64_t p = 1; p <= parts; ++p) ends.push_back(std::min(extent, units * p / parts * unit));
  return ends;
}

bool WithEpilogue::has_bias() const {
  return std::any_of(match_.epilogue.begin(), match_.epilogue.end(),
                     [](const Epilogue& step) { return step.kind == Epilogue::Kind::bias; });
}

bool WithEpilogue::has_residual() const {
  return std::any_of(match_.epilogue.begin(), match_.epilogue.end(),
                     [](const Epilogue& step) { return step.kind == Epilogue::Kind::residual; });
}

namespace {

void append_eltwise(dnnl::post_ops& post, dnnl::algorithm algorithm, float alpha, float beta) {
#if DNNL_VERSION_MAJOR >= 3
  post.append_eltwise(algorithm, alpha, beta);
#else
  post.append_eltwise(1.0f, algorithm, alpha, beta);
#endif
}

}  // namespace

dnnl::primitive_attr WithEpilogue::attributes(Residual form, const dnnl::memory::desc& destination,
                                              Primitive& primitive) const {
  dnnl::post_ops post;
  for (const Epilogue& step : match_.epilogue) {
    if (step.kind == Epilogue::Kind::residual) {
      if (form == Residual::binary) {
        primitive.residual_argument = DNNL_ARG_ATTR_MULTIPLE_POST_OP(post.len()) | DNNL_ARG_SRC_1;
        post.append_binary(dnnl::algorithm::binary_add, destination);
      } else {
        primitive.residual_is_added = true;
        post.append_sum(1.0f);
      }
    } else if (step.kind == Epilogue::Kind::clip) {
      if (step.low == 0 && std::isinf(step.high)) {
        append_eltwise(post, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
      } else {
        append_eltwise(post, dnnl::algorithm::eltwise_clip, static_cast<float>(step.low),
                       static_cast<float>(step.high));
      }
    }
  }
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(post);
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

Built build(const Match& match, int parts, const dnnl::engine& engine) {
  const OneThread one_thread;
  Built built;
  try {
    built = match.convolution ? build_convolution(match, parts, engine) : build_product(match, parts, engine);
  } catch (const dnnl::error& error) {
    refuse(error.what());
  }
  for (const Epilogue& step : match.epilogue) {
    const bool reads_data = step.kind == Epilogue::Kind::residual && step.tensor == match.data;
    if (reads_data && !(built.data == built.output)) refuse("the residual is the data, which wants another layout");
  }
  return built;
}

}  // namespace altrt::onednn
