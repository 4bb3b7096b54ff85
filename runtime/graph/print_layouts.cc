// The stage "layouts" as text.
#include <algorithm>

#include "jit/compile/stage_loops.h"
#include "runtime/graph/image_layout.h"
#include "runtime/graph/placement.h"

namespace altrt::graph {

namespace {

using jit::Layout;
using jit::Role;

std::string in_words(const jit::Borders& borders) {
  const auto same = [](const std::vector<int64_t>& sizes) {
    return std::all_of(sizes.begin(), sizes.end(), [&](int64_t size) { return size == sizes[0]; });
  };
  if (same(borders.lo) && borders.lo == borders.hi) return std::to_string(borders.lo[0]);
  std::string text;
  for (size_t i = 0; i < borders.lo.size(); ++i) {
    text += (i ? " x " : "") + std::to_string(borders.lo[i]) + "+" + std::to_string(borders.hi[i]);
  }
  return text;
}

// In words where it has a usual form, and exactly.
std::string describe(const Layout& layout, const Shape& shape) {
  if (layout.is_plain()) return "row-major";
  const std::optional<ImageLayout> image = ImageLayout::of(layout, shape);
  if (!image) return to_string(layout);
  std::string words = image->block > 1 ? "blocks of " + std::to_string(image->block) + " channels" : "";
  if (!image->borders.lo.empty()) words += (words.empty() ? "border of " : ", border of ") + in_words(image->borders);
  return words + " = " + to_string(layout);
}

std::string names(const std::vector<int>& numbers, const std::vector<Group>& groups) {
  std::string text;
  for (const int g : numbers) text += (text.empty() ? "'" : ", '") + groups[static_cast<size_t>(g)].name + "'";
  return text;
}

class Printer {
 public:
  Printer(const Graph& graph, const std::vector<Group>& groups, const Decisions& decisions,
          const ConversionReasons& reasons)
      : graph_(graph), groups_(groups), decisions_(decisions), reasons_(reasons) {
    std::vector<Alternatives> only(groups.size());
    for (size_t g = 0; g < groups.size(); ++g) {
      if (!groups[g].host) only[g].push_back({decisions[g], 0, false});
    }
    const Placement placement(graph, groups, only, [](int, const Layout&, const Layout&) { return 0.0; });
    conversions_ = placement.conversions(std::vector<int>(groups.size(), 0));
  }

  std::string print() {
    for (const int v : graph_.inputs) print_value(v, "input ", {});
    for (size_t g = 0; g < groups_.size(); ++g) print_group(g);
    return std::move(text_);
  }

 private:
  void print_group(size_t g) {
    const Group& group = groups_[g];
    text_ += "group " + group.name + " (" + group.ops + ")" + (group.host ? " on the host" : "") + "\n";
    if (group.host) {
      const Node& node = graph_.nodes[static_cast<size_t>(group.nodes.front())];
      for (const int v : node.inputs) {
        if (v >= 0) text_ += "  reads " + typed(v) + ": row-major\n";
      }
      for (const int v : node.outputs) {
        if (v >= 0) print_value(v, "  makes ", {});
      }
      return;
    }
    const jit::Computation& c = group.computation;
    for (const bool written : {false, true}) {
      for (size_t t = 0; t < c.tensors.size(); ++t) {
        const int v = group.tensor_values[t];
        if (v < 0 || (c.tensors[t].role == Role::output) != written) continue;
        const Layout& layout = jit::layout_of(c, static_cast<int>(t), decisions_[g].layouts);
        if (written) {
          print_value(v, "  makes ", layout);
        } else {
          text_ += std::string("  ") + (c.tensors[t].role == Role::constant ? "packs " : "reads ") + typed(v) + ": " +
                   describe(layout, shape(v)) + "\n";
        }
      }
    }
    // What the algorithm keeps inside.
    for (const auto& [name, layout] : decisions_[g].layouts) {
      if (c.find_tensor(name) < 0) text_ += "  inside " + name + ": " + to_string(layout) + "\n";
    }
  }

  const Shape& shape(int v) const { return graph_.values[static_cast<size_t>(v)].shape; }
  std::string typed(int v) const {
    const Value& value = graph_.values[static_cast<size_t>(v)];
    return value.name + " " + to_string(value.type) + to_string(value.shape);
  }

  // A value where it is made, and what it is converted into there.
  void print_value(int v, const char* verb, const Layout& layout) {
    text_ += verb + typed(v) + ": " + describe(layout, shape(v)) + "\n";
    for (const PlacedConversion& conversion : conversions_) {
      if (conversion.value != v) continue;
      text_ += "    conversion into " + describe(conversion.to, shape(v)) + ": " + why(conversion);
      const auto known = reasons_.find({v, to_string(conversion.to)});
      text_ += (known == reasons_.end() ? "" : "; kept: " + known->second) + "\n";
    }
  }

  std::string why(const PlacedConversion& conversion) const {
    std::vector<std::string> parts;
    if (!conversion.readers.empty()) {
      const bool differ = conversion.writer >= 0 && !groups_[static_cast<size_t>(conversion.writer)].host;
      parts.push_back(
          "for " + names(conversion.readers, groups_) +
          (differ ? ", where '" + groups_[static_cast<size_t>(conversion.writer)].name + "' makes another layout"
                  : ""));
    }
    if (conversion.to.is_plain()) {
      const auto& outputs = graph_.outputs;
      if (std::find(outputs.begin(), outputs.end(), conversion.value) != outputs.end()) {
        parts.push_back("graph outputs are row-major");
      }
      for (const Group& group : groups_) {
        if (!group.host) continue;
        const std::vector<int>& inputs = graph_.nodes[static_cast<size_t>(group.nodes.front())].inputs;
        if (std::find(inputs.begin(), inputs.end(), conversion.value) == inputs.end()) continue;
        parts.push_back("'" + group.name + "' computes on the host");
      }
    }
    if (conversion.writer < 0) parts.push_back("graph inputs are row-major");
    std::string text;
    for (const std::string& part : parts) text += (text.empty() ? "" : "; ") + part;
    return text;
  }

  const Graph& graph_;
  const std::vector<Group>& groups_;
  const Decisions& decisions_;
  const ConversionReasons& reasons_;
  std::vector<PlacedConversion> conversions_;
  std::string text_;
};

}  // namespace

std::string layouts_to_string(const Graph& graph, const std::vector<Group>& groups, const Decisions& decisions,
                              const ConversionReasons& reasons) {
  return Printer(graph, groups, decisions, reasons).print();
}

}  // namespace altrt::graph
