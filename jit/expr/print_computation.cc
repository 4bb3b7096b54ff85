// Text of Computations.
#include "jit/expr/computation.h"

namespace altrt {
namespace {

std::string extent_text(const Extent& e) {
  return e.is_symbolic() ? "size" + std::to_string(e.size_index) + "<=" + std::to_string(e.bound)
                         : std::to_string(e.bound);
}

std::string shape_text(const std::vector<Extent>& shape) {
  std::string s;
  for (const Extent& e : shape) s += (s.empty() ? "" : ", ") + extent_text(e);
  return "[" + s + "]";
}

std::string axes_text(const std::vector<Axis>& axes) {
  std::string s;
  for (const Axis& a : axes) s += (s.empty() ? "" : ", ") + a.name + ":" + extent_text(a.extent);
  return s;
}

const char* role_text(Role role) {
  switch (role) {
    case Role::input:
      return "input";
    case Role::constant:
      return "constant";
    case Role::output:
      return "output";
    default:
      return "intermediate";
  }
}

const char* anchor_text(AnchorKind kind) {
  switch (kind) {
    case AnchorKind::conv:
      return "conv";
    case AnchorKind::conv_transpose:
      return "conv_transpose";
    case AnchorKind::matmul:
      return "matmul";
    case AnchorKind::pool:
      return "pool";
    case AnchorKind::reduce:
      return "reduce";
    case AnchorKind::normalize:
      return "normalize";
    default:
      return "none";
  }
}

std::string list_text(const char* name, const std::vector<int64_t>& list) {
  if (list.empty()) return "";
  std::string s;
  for (const int64_t x : list) s += (s.empty() ? "" : ",") + std::to_string(x);
  return std::string(" ") + name + "=" + s;
}

std::string name_of(const Computation& c, int tensor) {
  const bool known = tensor >= 0 && tensor < static_cast<int>(c.tensors.size());
  return known ? c.tensors[tensor].name : "t" + std::to_string(tensor);
}

std::string anchor_line(const Computation& c) {
  const Anchor& a = c.anchor;
  if (a.kind == AnchorKind::none) return "";
  std::string s = std::string("  anchor ") + anchor_text(a.kind);
  if (a.stage >= 0 && a.stage < static_cast<int>(c.stages.size())) s += " " + c.stages[a.stage].name;
  s += list_text("kernel", a.kernel) + list_text("strides", a.strides) + list_text("dilations", a.dilations) +
       list_text("pads", a.pads);
  if (a.groups != 1) s += " groups=" + std::to_string(a.groups);
  if (a.data >= 0) s += " data=" + name_of(c, a.data);
  if (a.weights >= 0) s += " weights=" + name_of(c, a.weights);
  return s + "\n";
}

std::string stage_text(const Computation& c, const Stage& s, const std::vector<std::string>& names) {
  std::string text = "  stage " + s.name + " for " + axes_text(s.axes);
  if (!s.reduce.empty()) text += " over " + axes_text(s.reduce);
  text += "\n";
  for (size_t k = 0; k < s.state.size(); ++k) {
    const StateValue& v = s.state[k];
    text += "    state" + std::to_string(k) + ": " + altrt::to_string(v.type) + " = " + to_string(v.init) + " -> " +
            to_string(v.update, &names) + "\n";
    if (v.combine) text += "      combine " + to_string(v.combine, &names) + "\n";
  }
  std::string store;
  for (const Expr& e : s.store) store += (store.empty() ? "" : ", ") + to_string(e);
  for (size_t k = 0; k < s.outputs.size() && k < s.results.size(); ++k) {
    text += "    " + name_of(c, s.outputs[k]) + "[" + store + "] = " + to_string(s.results[k], &names) + "\n";
  }
  return text;
}

}  // namespace

std::string to_string(const Computation& c) {
  std::string text = "computation " + c.name + " (" + c.algorithm + ")\n" + anchor_line(c);
  std::vector<std::string> names;
  for (const TensorDecl& t : c.tensors) {
    names.push_back(t.name);
    text += std::string("  ") + role_text(t.role) + " " + t.name + ": " + altrt::to_string(t.type) +
            shape_text(t.shape) + "\n";
  }
  for (const Stage& s : c.stages) text += stage_text(c, s, names);
  return text;
}

}  // namespace altrt
