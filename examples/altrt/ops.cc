// altrt ops: which operators a model has and whether they can run.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "common.h"

namespace altrt::tool {

void add_ops(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("ops", "operators with counts, supported or not and why");
  auto path = std::make_shared<std::string>();
  command->add_option("model", *path, "ONNX file")->required();
  command->callback([path, &exit_code] {
    const Model model = Model::load(*path);
    size_t width = 0;
    const auto name = [](const OperatorCount& op) { return op.domain.empty() ? op.type : op.domain + "." + op.type; };
    for (const OperatorCount& op : model.operators()) width = std::max(width, name(op).size());
    for (const OperatorCount& op : model.operators()) {
      fmt::print("{:<{}} {:>6}  {}{}\n", name(op), width, op.count, op.supported ? "supported" : "NOT SUPPORTED",
                 op.supported ? "" : ": " + op.reason);
      if (!op.supported) exit_code = kAtFault;
    }
  });
}

}  // namespace altrt::tool
