// Einsum: products of any number of tensors, summed over the labels that the result lacks. Ellipses broadcast.
#include <algorithm>
#include <cctype>
#include <map>

#include "runtime/ops/common.h"

namespace altrt::ops {
namespace {

/// One label a dimension: a letter, or kEllipsis + position from the right among the dimensions of an ellipsis.
using Labels = std::vector<int>;
constexpr int kEllipsis = 256;

struct Equation {
  std::vector<Labels> inputs;
  Labels output, summed;
  std::map<int, int64_t> extents;
};

/// Labels of one term; `ellipsis` is how many dimensions "..." stands for.
Labels term_labels(const NodeInfo& node, const std::string& term, int64_t ellipsis) {
  Labels labels;
  for (size_t i = 0; i < term.size(); ++i) {
    if (std::isalpha(static_cast<unsigned char>(term[i]))) {
      labels.push_back(term[i]);
    } else if (term.compare(i, 3, "...") == 0) {
      for (int64_t e = ellipsis; e-- > 0;) labels.push_back(kEllipsis + static_cast<int>(e));
      i += 2;
    } else {
      node.fail("attribute 'equation' is malformed at '" + term.substr(i) + "'");
    }
  }
  return labels;
}

std::vector<std::string> split_terms(const std::string& text) {
  std::vector<std::string> terms(1);
  for (char c : text) {
    if (c == ',') {
      terms.emplace_back();
    } else {
      terms.back() += c;
    }
  }
  return terms;
}

void add_extents(const NodeInfo& node, const Labels& labels, const Shape& shape, std::map<int, int64_t>& extents) {
  for (size_t d = 0; d < shape.size(); ++d) {
    int64_t& extent = extents.try_emplace(labels[d], shape[d]).first->second;
    if (labels[d] >= kEllipsis && extent == 1) extent = shape[d];
    if (extent != shape[d] && !(labels[d] >= kEllipsis && shape[d] == 1)) {
      node.fail("attribute 'equation' gives one label the extents " + std::to_string(extent) + " and " +
                std::to_string(shape[d]));
    }
  }
}

/// Without "->": the ellipsis, then the letters that occur once, in order.
Labels implicit_output(const Equation& e) {
  std::map<int, int> counts;
  for (const Labels& labels : e.inputs) {
    for (int label : labels) ++counts[label];
  }
  Labels output, letters;
  for (const auto& [label, count] : counts) {
    if (label >= kEllipsis) output.insert(output.begin(), label);
    if (label < kEllipsis && count == 1) letters.push_back(label);
  }
  output.insert(output.end(), letters.begin(), letters.end());
  return output;
}

Equation parse(const NodeInfo& node) {
  std::string text = node.text("equation", "");
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  const size_t arrow = text.find("->");
  const std::vector<std::string> terms = split_terms(text.substr(0, arrow));
  if (terms.size() != node.inputs.size()) {
    node.fail("attribute 'equation' names " + std::to_string(terms.size()) + " inputs of " +
              std::to_string(node.inputs.size()));
  }
  Equation e;
  int64_t widest = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    const Shape& shape = node.input(static_cast<int>(i)).shape;
    const bool has_ellipsis = terms[i].find("...") != std::string::npos;
    const int64_t letters = static_cast<int64_t>(terms[i].size()) - (has_ellipsis ? 3 : 0);
    const int64_t ellipsis = static_cast<int64_t>(shape.size()) - letters;
    if (ellipsis < 0 || (!has_ellipsis && ellipsis != 0)) {
      node.fail("attribute 'equation' does not fit an input of shape " + to_string(shape));
    }
    widest = std::max(widest, ellipsis);
    e.inputs.push_back(term_labels(node, terms[i], ellipsis));
    if (e.inputs.back().size() != shape.size()) node.fail("attribute 'equation' is malformed");
    add_extents(node, e.inputs.back(), shape, e.extents);
  }
  e.output = arrow == std::string::npos ? implicit_output(e) : term_labels(node, text.substr(arrow + 2), widest);
  for (size_t i = 0; i < e.output.size(); ++i) {
    if (!e.extents.count(e.output[i]) || std::count(e.output.begin(), e.output.end(), e.output[i]) > 1) {
      node.fail("attribute 'equation' has an unknown or repeated label in its result");
    }
  }
  for (const auto& [label, extent] : e.extents) {
    if (std::find(e.output.begin(), e.output.end(), label) == e.output.end()) e.summed.push_back(label);
  }
  return e;
}

Shape extents_of(const Equation& e, const Labels& labels) {
  Shape shape;
  for (int label : labels) shape.push_back(e.extents.at(label));
  return shape;
}

std::vector<ResultType> infer_einsum(const NodeInfo& node) {
  if (node.inputs.empty()) node.fail("has no input");
  const DataType type = require_input(node, 0, "Inputs", kFloats | kIndices).type;
  for (int i = 1; i < static_cast<int>(node.inputs.size()); ++i) require_same_type(node, i, 0);
  const Equation e = parse(node);
  return one_result(node, type, extents_of(e, e.output));
}

void build_einsum(const NodeInfo& node, Builder& b) {
  const Equation e = parse(node);
  const auto axes = b.axes(b.shape(b.output()));
  std::vector<std::string> names;
  for (size_t i = 0; i < e.summed.size(); ++i) names.push_back("r" + std::to_string(i));
  const auto reduce = b.axes(extents_of(e, e.summed), names);
  std::map<int, Expr> variable;
  for (size_t i = 0; i < axes.size(); ++i) variable[e.output[i]] = jit::variable(axes[i].name);
  for (size_t i = 0; i < reduce.size(); ++i) variable[e.summed[i]] = jit::variable(reduce[i].name);
  Exprs factors;
  for (int i = 0; i < static_cast<int>(e.inputs.size()); ++i) {
    Exprs index;
    for (size_t d = 0; d < e.inputs[i].size(); ++d) {
      index.push_back(node.input(i).shape[d] == 1 ? Expr(0) : variable.at(e.inputs[i][d]));
    }
    factors.push_back(b.at(b.input(i), index));
  }
  Expr last = factors.back();
  factors.pop_back();
  if (factors.empty()) {
    if (e.summed.empty()) {
      b.map(b.output(), axes, last);
    } else {
      b.reduce(b.output(), axes, reduce, sum_state(last));
    }
    return;
  }
  Expr first = factors[0];
  for (size_t i = 1; i < factors.size(); ++i) first = first * factors[i];
  jit::Anchor anchor;
  anchor.kind = jit::AnchorKind::reduce;
  anchor.stage = b.reduce(b.output(), axes, reduce, dot_state(first, last));
  anchor.data = b.input(0);
  b.set_anchor(anchor);
}

}  // namespace

const Implementation kEinsum = {infer_einsum, build_einsum};

}  // namespace altrt::ops
