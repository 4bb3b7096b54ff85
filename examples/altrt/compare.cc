// altrt compare: this library's outputs against a reference.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "common.h"
#include "npy.h"

namespace altrt::tool {
namespace {

struct CompareArguments {
  Common common;
  InputFiles files;
  std::string reference;
  std::string against;
  double tolerance = 1e-4;
};

struct Difference {
  double relative_l2 = 0;
  double largest = 0;
  int64_t classes_differ = 0;  // elements where only one side is NaN, or infinities differ
  int64_t rows = 0, same_top1 = 0;
};

double element(const Tensor& tensor, int64_t i) {
  switch (tensor.type()) {
    case DataType::f32:
      return tensor.as<float>()[i];
    case DataType::f64:
      return tensor.as<double>()[i];
    case DataType::i64:
      return static_cast<double>(tensor.as<int64_t>()[i]);
    case DataType::i32:
      return tensor.as<int32_t>()[i];
    case DataType::i8:
      return tensor.as<int8_t>()[i];
    case DataType::u8:
    case DataType::boolean:
      return tensor.as<uint8_t>()[i];
  }
  return 0;
}

// The index of the largest of `count` elements from `first` on.
int64_t top1(const Tensor& tensor, int64_t first, int64_t count) {
  int64_t best = 0;
  for (int64_t i = 1; i < count; ++i) {
    if (element(tensor, first + i) > element(tensor, first + best)) best = i;
  }
  return best;
}

Difference difference(const Tensor& got, const Tensor& wanted) {
  Difference result;
  double squares = 0, norm = 0;
  const int64_t count = element_count(wanted.shape());
  for (int64_t i = 0; i < count; ++i) {
    const double a = element(got, i), b = element(wanted, i);
    if (!std::isfinite(a) || !std::isfinite(b)) {
      result.classes_differ += !(a == b || (std::isnan(a) && std::isnan(b)));
      continue;
    }
    squares += (a - b) * (a - b);
    norm += b * b;
    result.largest = std::max(result.largest, std::abs(a - b));
  }
  result.relative_l2 = norm > 0 ? std::sqrt(squares / norm) : std::sqrt(squares);
  const int64_t row = wanted.shape().empty() ? 1 : wanted.shape().back();
  for (int64_t first = 0; row > 1 && first < count; first += row) {
    ++result.rows;
    result.same_top1 += top1(got, first, row) == top1(wanted, first, row);
  }
  return result;
}

bool is_real(DataType type) { return type == DataType::f32 || type == DataType::f64; }

bool compare_output(const std::string& name, const Tensor& got, const Tensor& wanted, double tolerance) {
  if (got.type() != wanted.type() || got.shape() != wanted.shape()) {
    fmt::print("FAIL {}: {} {} where the reference has {} {}\n", name, to_string(got.type()), format_shape(got.shape()),
               to_string(wanted.type()), format_shape(wanted.shape()));
    return false;
  }
  const Difference d = difference(got, wanted);
  // Integers must be equal; classifiers (one row of scores a sample) must agree on the winner.
  const bool classifier = is_real(got.type()) && got.shape().size() == 2;
  const bool pass = d.classes_differ == 0 && d.relative_l2 <= (is_real(got.type()) ? tolerance : 0.0) &&
                    (!classifier || d.same_top1 == d.rows);
  fmt::print("{} {}: relative L2 {:.3g}, largest error {:.3g}, top-1 {}/{}{}\n", pass ? "PASS" : "FAIL", name,
             d.relative_l2, d.largest, d.same_top1, d.rows,
             d.classes_differ ? fmt::format(", NaN or Inf differ in {} elements", d.classes_differ) : "");
  return pass;
}

// A reference file may hold the inputs as well.
void move_inputs(Tensors& reference, Tensors& inputs, const Model& model) {
  for (const ValueInfo& info : model.inputs()) {
    auto found = reference.find(info.name);
    if (found == reference.end()) continue;
    inputs.try_emplace(info.name, std::move(found->second));
    reference.erase(found);
  }
}

int compare(const CompareArguments& arguments) {
  if (arguments.reference.empty() == arguments.against.empty()) {
    throw CLI::ValidationError("compare", "give either --reference FILE.npz or --against evaluator");
  }
  const Model model = Model::load(arguments.common.model);
  Tensors inputs = read_inputs(arguments.files, model);
  Tensors reference;
  if (!arguments.reference.empty()) {
    reference = npy::read_npz(arguments.reference);
    move_inputs(reference, inputs, model);
  }
  const Session session(model, session_options(arguments.common, model, inputs));
  fill_inputs(inputs, session.inputs(), arguments.common.seed);
  if (!arguments.against.empty()) reference = evaluate_reference(model, views(inputs));
  const Tensors outputs = session.run(views(inputs));
  bool pass = true;
  for (const auto& [name, wanted] : reference) {
    const auto got = outputs.find(name);
    if (got == outputs.end()) {
      throw Error(ErrorCode::invalid_argument,
                  arguments.reference + ": " + model.name() + " has no output '" + name + "'");
    }
    pass &= compare_output(name, got->second, wanted, arguments.tolerance);
  }
  if (reference.empty()) throw Error(ErrorCode::invalid_argument, arguments.reference + " holds no output");
  return pass ? kFine : kAtFault;
}

}  // namespace

void add_compare(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("compare", "PASS or FAIL per output: relative L2, largest error, top-1");
  auto arguments = std::make_shared<CompareArguments>();
  add_common(*command, arguments->common);
  add_inputs(*command, arguments->files);
  command->add_option("--reference", arguments->reference, "FILE.npz with the outputs (and perhaps inputs) by name");
  command->add_option("--against", arguments->against, "'evaluator': the reference evaluator")
      ->check(CLI::IsMember({"evaluator"}));
  command->add_option("--tolerance", arguments->tolerance, "largest relative L2 that passes (default 1e-4)");
  command->callback([arguments, &exit_code] { exit_code = compare(*arguments); });
}

}  // namespace altrt::tool
