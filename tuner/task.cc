#include "tuner/task.h"

#include <algorithm>

#include "jit/compile/canonical.h"
#include "runtime/base/hash.h"

namespace altrt::tuner {
namespace {

using jit::Layout;
using jit::Role;

Layout layout_in(const jit::GroupDecision& decision, const std::string& tensor) {
  const auto found = decision.layouts.find(tensor);
  return found == decision.layouts.end() ? Layout{} : found->second;
}

/// Who makes and who reads each value, in which layout.
struct Border {
  std::vector<Layout> made;
  std::vector<std::vector<Layout>> read;
};

void add_distinct(std::vector<Layout>& layouts, const Layout& layout) {
  if (std::find(layouts.begin(), layouts.end(), layout) == layouts.end()) layouts.push_back(layout);
}

Border find_border(const graph::Graph& graph, const std::vector<graph::Group>& groups,
                   const graph::Decisions& decisions) {
  Border border{std::vector<Layout>(graph.values.size()), std::vector<std::vector<Layout>>(graph.values.size())};
  for (size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].host) {
      for (const int v : graph.nodes[static_cast<size_t>(groups[g].nodes.front())].inputs) {
        if (v >= 0) add_distinct(border.read[static_cast<size_t>(v)], {});
      }
      continue;
    }
    const jit::Computation& c = groups[g].computation;
    for (size_t t = 0; t < groups[g].tensor_values.size(); ++t) {
      const int v = groups[g].tensor_values[t];
      if (v < 0) continue;
      const Layout layout = layout_in(decisions[g], c.tensors[t].name);
      if (c.tensors[t].role == Role::output) border.made[static_cast<size_t>(v)] = layout;
      if (c.tensors[t].role == Role::input) add_distinct(border.read[static_cast<size_t>(v)], layout);
    }
  }
  for (const int v : graph.outputs) add_distinct(border.read[static_cast<size_t>(v)], {});
  return border;
}

// Layouts in an order that does not depend on the order of readers.
std::string sorted_text(const std::vector<Layout>& layouts) {
  std::vector<std::string> texts;
  for (const Layout& layout : layouts) texts.push_back(jit::to_string(layout));
  std::sort(texts.begin(), texts.end());
  std::string text;
  for (const std::string& one : texts) text += one + "|";
  return text;
}

}  // namespace

std::vector<Task> make_tasks(const graph::Graph& graph, const std::vector<graph::Group>& groups,
                             const graph::Decisions& decisions, const std::vector<bool>& fixed) {
  const Border border = find_border(graph, groups, decisions);
  std::vector<Task> tasks;
  std::map<std::string, size_t> known;
  for (size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].host) continue;
    const jit::Computation& c = groups[g].computation;
    Task task;
    std::string around;
    for (size_t t = 0; t < groups[g].tensor_values.size(); ++t) {
      const int v = groups[g].tensor_values[t];
      const jit::TensorDecl& tensor = c.tensors[t];
      if (v < 0 || (tensor.role != Role::input && tensor.role != Role::output)) continue;
      const auto number = static_cast<size_t>(v);
      std::vector<Layout>& others = task.neighbours[tensor.name];
      others = tensor.role == Role::input ? std::vector<Layout>{border.made[number]} : border.read[number];
      around += std::to_string(t) + ":" + jit::to_string(layout_in(decisions[g], tensor.name)) + "<" +
                sorted_text(others) + "\n";
    }
    task.fixed = g < fixed.size() && fixed[g];
    const uint64_t key = base::Hasher().add(jit::hash(c)).add(around).value();
    const std::string start = jit::to_string(jit::canonical(decisions[g], c));
    const auto [found, is_new] = known.emplace(base::hex(key) + (task.fixed ? "fixed" : "") + start, tasks.size());
    if (!is_new) {
      tasks[found->second].groups.push_back(static_cast<int>(g));
      continue;
    }
    task.name = groups[g].name;
    task.ops = groups[g].ops;
    task.key = key;
    task.groups = {static_cast<int>(g)};
    task.computation = &c;
    task.initial = decisions[g];
    task.flops = groups[g].flops;
    tasks.push_back(std::move(task));
  }
  return tasks;
}

}  // namespace altrt::tuner
