// What the subcommands share: options, models, inputs.
#pragma once

#include <altrt/altrt.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace altrt::tool {

enum ExitCode : int { kFine = 0, kAtFault = 1, kUsage = 2, kInternal = 3 };

/// Arguments that every command on a model takes.
struct Common {
  std::string model;
  std::string device = "cpu";
  int threads = 0;
  std::vector<std::string> shapes;  // NAME=1x3x224x224 or DIM=1
  std::string cache;
  std::string budget = "0";
  std::vector<std::string> providers{"own", "onednn"};
  std::string algorithm;
  std::string numerics = "standard";
  std::string memory = "standard";
  std::string search = "alt";
  std::string proposer;
  uint64_t seed = 0;
  bool verbose = false;
  std::string arch;  // of inspect only
};
void add_common(CLI::App& command, Common& common);

/// Where the inputs come from: one file each, an .npz, and the rest made up.
struct InputFiles {
  std::vector<std::string> single;  // NAME=FILE.npy
  std::string archive;
};
void add_inputs(CLI::App& command, InputFiles& files);

using Tensors = std::map<std::string, Tensor>;

/// Reads the inputs that are given. Error(invalid_argument) names an input that the model does not have.
Tensors read_inputs(const InputFiles& files, const Model& model);
/// Adds what is missing: floats standard normal, integers and booleans 0 or 1.
void fill_inputs(Tensors& inputs, const std::vector<ValueInfo>& wanted, uint64_t seed);
std::map<std::string, TensorView> views(const Tensors& tensors);

/// Session options from the command line; shapes of `given` inputs fix symbolic dimensions. Throws CLI::ValidationError
/// on nonsense.
SessionOptions session_options(const Common& common, const Model& model, const Tensors& given);

/// "1x3x224x224"
std::string format_shape(const Shape& shape);
/// A value's name as a file name.
std::string file_name(const std::string& value);

/// One subcommand: declares its options; its callback sets `exit_code`.
void add_run(CLI::App& app, int& exit_code);
void add_bench(CLI::App& app, int& exit_code);
void add_compare(CLI::App& app, int& exit_code);
void add_inspect(CLI::App& app, int& exit_code);
void add_tune(CLI::App& app, int& exit_code);
void add_ops(CLI::App& app, int& exit_code);
void add_cache(CLI::App& app, int& exit_code);

}  // namespace altrt::tool
