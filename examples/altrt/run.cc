// altrt run: once, outputs to files.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <system_error>

#include "common.h"
#include "npy.h"

namespace altrt::tool {
namespace {

struct RunArguments {
  Common common;
  InputFiles files;
  std::string output_dir = ".";
};

void run(const RunArguments& arguments) {
  const Model model = Model::load(arguments.common.model);
  Tensors inputs = read_inputs(arguments.files, model);
  const Session session(model, session_options(arguments.common, model, inputs));
  fill_inputs(inputs, session.inputs(), arguments.common.seed);
  const Tensors outputs = session.run(views(inputs));
  std::error_code ignored;  // write() says what is wrong with the folder
  std::filesystem::create_directories(arguments.output_dir, ignored);
  for (const auto& [name, tensor] : outputs) {
    const std::string path = (std::filesystem::path(arguments.output_dir) / (file_name(name) + ".npy")).string();
    npy::write(path, tensor.view());
    fmt::print("{}: {} {} -> {}\n", name, to_string(tensor.type()), format_shape(tensor.shape()), path);
  }
}

}  // namespace

void add_run(CLI::App& app, int&) {
  CLI::App* command = app.add_subcommand("run", "run once; writes NAME.npy for every output");
  auto arguments = std::make_shared<RunArguments>();
  add_common(*command, arguments->common);
  add_inputs(*command, arguments->files);
  command->add_option("--output-dir", arguments->output_dir, "where the outputs are written (default: here)");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace altrt::tool
