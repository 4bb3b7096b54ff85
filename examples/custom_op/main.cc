// An operator that neither ONNX nor libaltrt has, transformed by hand and run in a model: the correlation of two
// feature maps of optical-flow networks,
//
//     y[n, d, h, w] = mean over c of a[n, c, h, w] * b[n, c, h + dy, w + dx],   d = (dy + r) * (2r + 1) + dx + r
//
// for all displacements of up to r rows and columns; b is zero outside. Prints the loops after each step, then what the
// steps are worth in a session.
#include <altrt/altrt.h>
#include <altrt/transform.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace altrt;
using Tensors = std::map<std::string, Tensor>;

/// Types and shapes; what does not fit is refused with the name of the node.
std::vector<ResultType> infer_correlation(const NodeInfo& node) {
  const Operand &a = node.input(0), &b = node.input(1);
  if (a.type != DataType::f32 || b.type != DataType::f32) node.fail("both inputs must be f32");
  if (a.shape.size() != 4 || a.shape != b.shape) node.fail("both inputs must have one shape of 4 dimensions");
  const int64_t radius = node.integer("radius");
  if (radius < 0) node.fail("attribute 'radius' is negative");
  const int64_t side = 2 * radius + 1;
  return {{DataType::f32, {a.shape[0], side * side, a.shape[2], a.shape[3]}}};
}

/// What is computed: one sum over c at each point of (n, d, h, w).
void define_correlation(const NodeInfo& node, ComputationBuilder& builder) {
  const int64_t radius = node.integer("radius"), side = 2 * radius + 1;
  const int a = builder.input(0), b = builder.input(1);
  const Shape shape = builder.shape(a);
  const std::vector<Axis> axes = builder.axes(builder.shape(builder.output()), {"n", "d", "h", "w"});
  const std::vector<Axis> channels = builder.axes({shape[1]}, {"c"});
  const Exprs at = variables(axes);
  const Expr n = at[0], d = at[1], h = at[2], w = at[3], c = variable(channels[0].name);
  const Expr row = h + floor_div(d, Expr(side)) - Expr(radius), column = w + floor_mod(d, Expr(side)) - Expr(radius);

  const Expr zero = constant(DataType::f32, 0), sum = state(0, DataType::f32);
  const Expr inside = logical_and(in_range(row, 0, shape[2]), in_range(column, 0, shape[3]));
  StateValue total;
  total.type = DataType::f32;
  total.init = zero;
  total.update = fma(builder.at(a, {n, c, h, w}), select(inside, builder.at(b, {n, c, row, column}), zero), sum);
  total.combine = sum + other(0, DataType::f32);
  builder.reduce(builder.output(), axes, channels, total,
                 sum * constant(DataType::f32, 1.0 / static_cast<double>(shape[1])));
}

CustomOperator correlation() { return {"example", "Correlation", infer_correlation, define_correlation}; }

constexpr int64_t kRadius = 3, kChannels = 32, kRows = 40, kColumns = 64;

/// Correlation, LeakyRelu (which is fused with it), and a convolution.
Model make_model() {
  constexpr int64_t kDisplacements = (2 * kRadius + 1) * (2 * kRadius + 1);
  std::mt19937 generator(1);
  std::normal_distribution<float> normal(0, 0.1f);
  Tensor weights(DataType::f32, {16, kDisplacements, 3, 3});
  std::generate_n(weights.as<float>(), element_count(weights.shape()), [&] { return normal(generator); });
  GraphBuilder builder("flow");
  builder.input("a", DataType::f32, {1, kChannels, kRows, kColumns});
  builder.input("b", DataType::f32, {1, kChannels, kRows, kColumns});
  builder.constant("weights", std::move(weights));
  builder.op("example::Correlation", {"a", "b"}, {{"radius", kRadius}}, "cost");
  builder.op("LeakyRelu", {"cost"}, {{"alpha", 0.1f}}, "active");
  builder.op("Conv", {"active", "weights"}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}}, "flow");
  builder.output("flow");
  return builder.build({correlation()});
}

Tensors random_tensors(const std::vector<std::string>& names, const Shape& shape) {
  std::mt19937 generator(2);
  std::normal_distribution<float> normal;
  Tensors tensors;
  for (const std::string& name : names) {
    Tensor& tensor = tensors[name] = Tensor(DataType::f32, shape);
    std::generate_n(tensor.as<float>(), element_count(shape), [&] { return normal(generator); });
  }
  return tensors;
}

std::map<std::string, TensorView> views(const Tensors& tensors) {
  std::map<std::string, TensorView> result;
  for (const auto& [name, tensor] : tensors) result.emplace(name, tensor.view());
  return result;
}

/// Relative L2 distance.
double distance(const Tensor& found, const Tensor& expected) {
  double error = 0, norm = 0;
  for (int64_t i = 0; i < element_count(expected.shape()); ++i) {
    const double e = expected.as<float>()[i], f = found.as<float>()[i];
    error += (f - e) * (f - e);
    norm += e * e;
  }
  return std::sqrt(error / norm);
}

/// Applies the steps one by one, prints the loops after each, and runs them. Returns the decision with all of them.
GroupDecision transform(const Computation& c) {
  const std::string stage = c.stages.back().name;
  using Change = std::function<void(GroupDecision&)>;
  const std::pair<const char*, Change> steps[] = {
      {"as it is defined", [](GroupDecision&) {}},
      {"layout of b: rows and columns of zeros round it, so that nothing is asked in the loops",
       [](GroupDecision& d) { d.layouts["x1"].pad(2, kRadius, kRadius, 0.0).pad(3, kRadius, kRadius, 0.0); }},
      {"layout of y: 16 columns of all displacements lie together. There is one loop for each of its dimensions",
       [](GroupDecision& d) {
         d.layouts["y0"].split(3, {0, 16}).reorder({0, 2, 3, 1, 4});
       }},
      {"loops: one row of displacements at a time, and the sum outside it: 7 x 16 sums in registers",
       [&](GroupDecision& d) {
         d.schedule[stage].split("d", 2 * kRadius + 1).reorder({"n", "h", "w.0", "d.0", "c", "d.1", "w.1"});
       }},
      {"loops: 16 columns are vectors; the 7 sums have a variable each",
       [&](GroupDecision& d) { d.schedule[stage].vectorize("w.1").unroll("d.1"); }},
      {"loops: each row is a task of its own",
       [&](GroupDecision& d) { d.schedule[stage].parallel("n").parallel("h"); }},
  };
  const Tensors inputs = random_tensors({"x0", "x1"}, {1, kChannels, kRows, kColumns});
  const Tensor expected = evaluate(c, views(inputs)).at("y0");
  GroupDecision decision;
  for (const auto& [text, change] : steps) {
    change(decision);
    std::printf("\n--- %s\n%s", text, nests(c, decision).c_str());
    std::printf("relative error %.1e\n", distance(run(c, decision, views(inputs)).at("y0"), expected));
  }
  return decision;
}

/// What can't be is refused before any code is made.
void show_refusals(const Computation& c, const GroupDecision& decision) {
  const std::string stage = c.stages.back().name;
  GroupDecision uneven = decision, late = decision;
  uneven.layouts["x0"].split(3, {0, 9});
  late.schedule[stage].parallel("c");
  for (const GroupDecision& illegal : {uneven, late}) {
    try {
      nests(c, illegal);
    } catch (const Error& error) {
      std::printf("refused: %s\n", error.what());
    }
  }
}

/// Milliseconds of the fastest of many runs.
double latency(const Session& session, const Tensors& inputs) {
  using Clock = std::chrono::steady_clock;
  Context context = session.context();
  for (const auto& [name, tensor] : inputs) context.bind(name, tensor.view());
  double best = 1e9;
  for (int i = 0; i < 30; ++i) {
    const Clock::time_point start = Clock::now();
    session.run(context);
    best = std::min(best, std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  return best;
}

int show() {
  const Model model = make_model();
  SessionOptions options;
  options.operators = {correlation()};
  options.cache.directory = "none";

  const std::vector<GroupInfo> groups = inspect_groups(model, options);
  const auto group = std::find_if(groups.begin(), groups.end(),
                                  [](const GroupInfo& g) { return g.op.find("Correlation") != std::string::npos; });
  if (group == groups.end()) return std::fprintf(stderr, "custom_op: no group has the operator\n"), 1;
  std::printf("group '%s': %s\n%s", group->name.c_str(), group->op.c_str(), to_string(group->computation).c_str());
  const GroupDecision by_hand = transform(group->computation);
  std::printf("\nthe same as a script, which parse_decision reads:\n%s\n", to_string(by_hand).c_str());
  show_refusals(group->computation, by_hand);

  const Tensors inputs = random_tensors({"a", "b"}, {1, kChannels, kRows, kColumns});
  const Tensor expected = evaluate_reference(model, views(inputs), options.operators).at("flow");
  std::printf("\n%-22s %10s %16s\n", "the model, group", "ms", "relative error");
  const std::pair<const char*, GroupDecision> decisions[] = {
      {"as defined", {}}, {"as the library does it", group->decision}, {"by hand", by_hand}};
  double worst = 0;
  for (const auto& [text, decision] : decisions) {
    options.decisions = {{group->name, decision}};
    const Session session(model, options);
    const double error = distance(session.run(views(inputs)).at("flow"), expected);
    std::printf("%-22s %10.3f %16.1e\n", text, latency(session, inputs), error);
    worst = std::max(worst, error);
  }
  return worst <= 1e-5 ? 0 : 1;
}

}  // namespace

int main() {
  try {
    return show();
  } catch (const Error& error) {
    return std::fprintf(stderr, "custom_op: %s\n", error.what()), 1;
  }
}
