// altrt inspect: prints a stage of the compilation.
#include <fmt/format.h>

#include <memory>

#include "common.h"

namespace altrt::tool {

void add_inspect(CLI::App& app, int&) {
  struct Arguments {
    Common common;
    InputFiles files;
    std::string stage;
  };
  CLI::App* command =
      app.add_subcommand("inspect", "print a stage: graph, groups, layouts, nests, llvm, asm, cuda or plan");
  auto arguments = std::make_shared<Arguments>();
  add_common(*command, arguments->common);
  add_inputs(*command, arguments->files);
  command->add_option("--stage", arguments->stage, "which one")
      ->required()
      ->check(CLI::IsMember({"graph", "groups", "layouts", "nests", "llvm", "asm", "cuda", "plan"}));
  command->add_option("--arch", arguments->common.arch,
                      "avx2, avx512, neon, sm_90, ...: untuned code for another machine; the device need not be here");
  command->callback([arguments] {
    const Model model = Model::load(arguments->common.model);
    const Tensors inputs = read_inputs(arguments->files, model);
    const SessionOptions options = session_options(arguments->common, model, inputs);
    // A session knows what was tuned.
    fmt::print("{}", options.arch.empty() ? Session(model, options).inspect(arguments->stage)
                                          : altrt::inspect(model, options, arguments->stage));
  });
}

}  // namespace altrt::tool
