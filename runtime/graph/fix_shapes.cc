#include <altrt/error.h>

#include <set>
#include <string>

#include "runtime/base/text.h"
#include "runtime/graph/graph.h"

namespace altrt::graph {

namespace {

using base::quoted;

std::string symbol(const Value& value, size_t i) { return i < value.symbols.size() ? value.symbols[i] : ""; }

// The dimensions' values as they become known, each with where it comes from for messages.
class Dimensions {
 public:
  Dimensions(const Graph& graph, const std::map<std::string, int64_t>& given) : graph_(graph) {
    std::set<std::string> known;
    for (const int input : graph.inputs) {
      const Value& value = graph.values[input];
      for (size_t i = 0; i < value.shape.size(); ++i) {
        if (value.shape[i] < 0) known.insert(symbol(value, i));
      }
    }
    for (const auto& [name, extent] : given) {
      if (name.empty() || !known.count(name)) fail("no input has a dimension named " + quoted(name));
      set(name, extent, "the dimensions given");
    }
  }

  void set(const std::string& name, int64_t extent, const std::string& source) {
    if (extent < 0) fail("dimension " + quoted(name) + " is " + std::to_string(extent) + " in " + source);
    if (name.empty()) return;
    const auto [entry, added] = extents_.emplace(name, Known{extent, source});
    if (!added && entry->second.extent != extent) {
      fail("dimension " + quoted(name) + " is " + std::to_string(entry->second.extent) + " in " + entry->second.source +
           ", but " + std::to_string(extent) + " in " + source);
    }
  }

  // -1 if not known.
  int64_t find(const std::string& name) const {
    const auto found = extents_.find(name);
    return found == extents_.end() ? -1 : found->second.extent;
  }

  [[noreturn]] void fail(const std::string& message) const {
    throw Error(ErrorCode::invalid_argument, graph_.name + ": " + message);
  }

 private:
  struct Known {
    int64_t extent;
    std::string source;
  };
  const Graph& graph_;
  std::map<std::string, Known> extents_;
};

void apply_input_shape(Value& value, const Shape& shape, Dimensions& dimensions) {
  const std::string source = "the shape given for input " + quoted(value.name);
  if (value.shape_known && shape.size() != value.shape.size()) {
    dimensions.fail(source + " has " + std::to_string(shape.size()) + " dimensions, the model's has " +
                    std::to_string(value.shape.size()));
  }
  if (!value.shape_known) {
    value.shape.assign(shape.size(), -1);
    value.symbols.assign(shape.size(), "");
    value.shape_known = true;
  }
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0) dimensions.fail(source + " is " + to_string(shape));
    if (value.shape[i] < 0) {
      dimensions.set(symbol(value, i), shape[i], source);
      value.shape[i] = shape[i];
    } else if (value.shape[i] != shape[i]) {
      dimensions.fail(source + " is " + to_string(shape) + ", the model fixes " + to_string(value.shape));
    }
  }
}

// Fills in what the names say; adds what stays open to `open`.
void resolve(Value& value, const Dimensions& dimensions, std::string& open) {
  const auto add = [&](const std::string& text) { open += (open.empty() ? "" : ", ") + text; };
  if (!value.shape_known) return add("the rank of input " + quoted(value.name));
  for (size_t i = 0; i < value.shape.size(); ++i) {
    if (value.shape[i] < 0) value.shape[i] = dimensions.find(symbol(value, i));
    if (value.shape[i] < 0) {
      add((symbol(value, i).empty() ? "dimension " + std::to_string(i) : quoted(symbol(value, i))) + " of input " +
          quoted(value.name));
    }
  }
  value.symbols.assign(value.shape.size(), "");
}

}  // namespace

Graph fix_shapes(Graph graph, const std::map<std::string, Shape>& input_shapes,
                 const std::map<std::string, int64_t>& dimensions) {
  Dimensions known(graph, dimensions);
  std::set<std::string> unused;
  for (const auto& [name, shape] : input_shapes) unused.insert(name);
  for (const int input : graph.inputs) {
    Value& value = graph.values[input];
    const auto given = input_shapes.find(value.name);
    if (given == input_shapes.end()) continue;
    unused.erase(value.name);
    apply_input_shape(value, given->second, known);
  }
  if (!unused.empty()) known.fail("a shape is given for " + quoted(*unused.begin()) + ", which is no input");
  std::string open;
  for (const int input : graph.inputs) resolve(graph.values[input], known, open);
  if (!open.empty()) known.fail("symbolic dimensions are left open: " + open);
  for (const int input : graph.inputs) {
    const Value& value = graph.values[input];
    try {
      element_count(value.shape);
    } catch (const Error& error) {
      throw Error(error.code(), graph.name + ": input " + quoted(value.name) + ": " + error.what());
    }
  }
  return graph;
}

}  // namespace altrt::graph
