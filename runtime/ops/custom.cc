#include "runtime/ops/custom.h"

#include <algorithm>
#include <climits>
#include <exception>
#include <new>

#include "runtime/base/text.h"

namespace altrt::ops {
namespace {

std::string_view canonical(std::string_view domain) { return domain == "ai.onnx" ? std::string_view() : domain; }

std::string name_of(const CustomOperator& op) {
  return "operator " + base::quoted((op.domain.empty() ? "" : op.domain + "::") + op.type);
}

[[noreturn]] void refuse(const CustomOperator& op, const std::string& why) {
  throw Error(ErrorCode::invalid_argument, "option operators: " + name_of(op) + " " + why);
}

void check(const CustomOperator& op) {
  if (op.type.empty()) refuse(op, "has no type");
  if (!op.infer) refuse(op, "has no function infer");
  if (!op.define) refuse(op, "has no function define");
  const auto rows = all_ops();
  const bool taken = std::any_of(rows.begin(), rows.end(), [&](const OpDef& row) {
    return canonical(op.domain) == row.domain && op.type == row.type;
  });
  if (taken) refuse(op, "has the name of one of the library's own");
}

// Runs a function of the user's on behalf of a node. `what`: "infer" or "define".
template <typename Action>
auto guarded(const NodeInfo& node, const char* what, const Action& action) {
  const auto fail = [&](const std::string& message, ErrorCode code) {
    const std::string known = node.where + ": ";
    node.fail(std::string(what) + ": " +
                  (message.compare(0, known.size(), known) == 0 ? message.substr(known.size()) : message),
              code);
  };
  try {
    return action();
  } catch (const Error& error) {
    fail(error.what(), error.code());
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    fail(error.what(), ErrorCode::invalid_argument);
  }
  return decltype(action())();
}

}  // namespace

CustomOperators::CustomOperators(const std::vector<CustomOperator>& operators) {
  for (const CustomOperator& op : operators) {
    check(op);
    const auto [entry, added] = rows_.try_emplace({std::string(canonical(op.domain)), op.type});
    if (!added) refuse(op, "is given twice");
    OpDef& row = entry->second;
    row.domain = entry->first.first.c_str();
    row.type = entry->first.second.c_str();
    row.min_opset = 0;
    row.max_opset = INT_MAX;
    row.pattern = Pattern::derived;
    row.infer = [infer = op.infer](const NodeInfo& node) {
      return guarded(node, "infer", [&] { return infer(node); });
    };
    row.build = [define = op.define](const NodeInfo& node, Builder& builder) {
      guarded(node, "define", [&] { define(node, builder); });
    };
  }
}

const OpDef* CustomOperators::find(std::string_view domain, std::string_view type) const {
  const auto found = rows_.find(std::pair(std::string(canonical(domain)), std::string(type)));
  return found == rows_.end() ? nullptr : &found->second;
}

std::shared_ptr<const CustomOperators> custom_operators(const std::vector<CustomOperator>& operators) {
  return operators.empty() ? nullptr : std::make_shared<const CustomOperators>(operators);
}

void check_definition(const NodeInfo& node, const jit::Computation& computation) {
  const auto kind = computation.anchor.kind;
  if (kind != jit::AnchorKind::none && kind != jit::AnchorKind::reduce && kind != jit::AnchorKind::normalize) {
    node.fail("define: anchors are for the library's own convolutions, products and pools",
              ErrorCode::invalid_argument);
  }
  for (const jit::Stage& stage : computation.stages) {
    for (const jit::Expr& store : stage.store) {
      for (const jit::LinearForm::Term& term : jit::linear_form(store).terms) {
        if (term.coefficient >= 0) continue;
        node.fail("define: stage " + stage.name + " stores at " + to_string(store) +
                      ": let its axis run the other way, so that no coefficient is negative",
                  ErrorCode::invalid_argument);
      }
    }
  }
  const bool empty = std::any_of(node.inputs.begin(), node.inputs.end(), [](const auto& input) {
    return input && std::find(input->shape.begin(), input->shape.end(), 0) != input->shape.end();
  });
  guarded(node, "define", [&] { verify(empty ? jit::prune(computation) : computation); });
}

}  // namespace altrt::ops
