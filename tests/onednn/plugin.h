// The plug-in under test, and models small enough for the reference evaluator.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "jit/compile/provide.h"
#include "runtime/graph/graph.h"
#include "runtime/graph/groups.h"
#include "runtime/session/providers.h"
#include "tests/session/models.h"

#ifdef ALTRT_ONEDNN_FILE
#define NEEDS_PLUGIN() altrt::session::open_provider_file(ALTRT_ONEDNN_FILE)
#else
#define NEEDS_PLUGIN() GTEST_SKIP() << "the oneDNN plug-in is not built"
#endif

namespace altrt {

inline double relative_l2(const float* made, const float* expected, int64_t count) {
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < count; ++i) {
    difference += std::pow(double(made[i]) - expected[i], 2);
    norm += std::pow(double(expected[i]), 2);
  }
  return std::sqrt(difference / std::max(norm, 1e-30));
}

/// A convolution x * w with what a test adds to it.
struct ConvCase {
  std::string name;
  Shape x, w;
  int64_t groups = 1;
  Ints pads, strides, dilations;
  bool bias = true, residual = false;
  std::string last;  // an elementwise operator, "" = none
};

inline Model conv_model(const ConvCase& one) {
  GraphBuilder b(one.name);
  b.input("x", DataType::f32, one.x);
  std::vector<std::string> inputs{"x", b.constant("w", random_tensor(one.w, 1, 0.2f))};
  if (one.bias) inputs.push_back(b.constant("b", random_tensor({one.w[0]}, 2)));
  std::string y =
      b.op("Conv", inputs,
           {{"group", one.groups}, {"pads", one.pads}, {"strides", one.strides}, {"dilations", one.dilations}});
  if (one.residual) {
    Shape out{one.x[0], one.w[0]};
    const size_t rank = one.x.size() - 2;
    for (size_t d = 0; d < rank; ++d) {
      const int64_t reach = (one.w[d + 2] - 1) * one.dilations[d] + 1;
      out.push_back((one.x[d + 2] + one.pads[d] + one.pads[rank + d] - reach) / one.strides[d] + 1);
    }
    b.input("r", DataType::f32, out);
    y = b.op("Add", {y, "r"});
  }
  if (one.last == "Clip") {
    y = b.op("Clip", {y, b.constant("low", random_tensor({}, 3, 0)), b.constant("high", [] {
                        Tensor six(DataType::f32, {});
                        *six.as<float>() = 1.5f;
                        return six;
                      }())});
  } else if (!one.last.empty()) {
    y = b.op(one.last, {y});
  }
  b.output(y);
  return b.build();
}

inline std::vector<graph::Group> groups_of(const Model& model) {
  return graph::form_groups(graph::simplify(model.graph(), {}, {}));
}

}  // namespace altrt
