// altrt: runs, measures, checks and prints models from the command line.
#include <altrt/altrt.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "common.h"

namespace {

int exit_code_of(altrt::ErrorCode code) {
  return code == altrt::ErrorCode::internal ? altrt::tool::kInternal : altrt::tool::kAtFault;
}

}  // namespace

// What gets past the handlers is a lack of memory.
int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape)
  CLI::App app("Runs ONNX models with layouts and loops tuned to this machine.", "altrt");
  app.set_version_flag("--version", [] { return altrt::version_details(); });
  app.require_subcommand(0, 1);  // none is refused below, so that a wrong one is named
  int exit_code = altrt::tool::kFine;
  altrt::tool::add_run(app, exit_code);
  altrt::tool::add_bench(app, exit_code);
  altrt::tool::add_tune(app, exit_code);
  altrt::tool::add_compare(app, exit_code);
  altrt::tool::add_inspect(app, exit_code);
  altrt::tool::add_ops(app, exit_code);
  altrt::tool::add_cache(app, exit_code);
  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty()) throw CLI::RequiredError("A subcommand");
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? altrt::tool::kFine : altrt::tool::kUsage;
  } catch (const altrt::Error& error) {
    fmt::print(stderr, "altrt: {}\n", error.what());
    return exit_code_of(error.code());
  } catch (const std::exception& error) {
    fmt::print(stderr, "altrt: internal: {}\n", error.what());
    return altrt::tool::kInternal;
  }
  return exit_code;
}
