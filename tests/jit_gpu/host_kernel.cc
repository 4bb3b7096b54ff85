#include "tests/jit_gpu/host_kernel.h"

#include <altrt/error.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <tuple>

extern char** environ;

namespace altrt::cuda_host {
namespace {

namespace fs = std::filesystem;

constexpr size_t kKept = 500;  // results

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "altrt_cuda_host_XXXXXX").string();
    if (!mkdtemp(name.data())) throw Error(ErrorCode::io, "no folder " + name);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// -1: can't be started.
int exit_status_of(const std::vector<std::string>& command, const std::string& output) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 2, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t child = 0;
  const int error = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  if (error != 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

/// Each text in a namespace of its own, its entry under another name, so that texts can't clash.
std::string source_of(const std::vector<Text>& texts) {
  std::string source = "#include \"" ALTRT_HOST_SHIM "\"\n", list;
  source += "extern \"C\" __attribute__((visibility(\"hidden\"))) const unsigned char __ehdr_start[], _end[];\n";
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string number = std::to_string(i), name = "altrt_kernel_" + number, shared = "altrt_shared_" + number;
    source += "#undef ALTRT_SHARED\n#define ALTRT_SHARED \"" + shared + "\"\n";
    source += "#define " + texts[i].entry + " " + name + "\nnamespace altrt_text_" + number + " {\n#line 1 \"" +
              texts[i].entry + "\"\n" + texts[i].text + "\n}\n#undef " + texts[i].entry + "\n";
    source += "extern \"C\" __attribute__((weak, visibility(\"hidden\"))) unsigned char __start_" + shared +
              "[], __stop_" + shared + "[];\n";
    const std::string caller = "decltype(altrt::cuda_host::caller_of(&altrt_text_" + number + "::" + name + "))";
    source += "static const altrt::cuda_host::Program altrt_program_" + number + " = {\"" + texts[i].entry + "\", " +
              caller + "::parameters, &" + caller + "::run<&altrt_text_" + number + "::" + name + ">, __start_" +
              shared + ", __stop_" + shared + ", __ehdr_start, _end, &threadIdx, &blockIdx, &blockDim, &gridDim};\n";
    list += "&altrt_program_" + number + ", ";
  }
  source += "static const altrt::cuda_host::Program* const altrt_programs[] = {" + list + "};\n";
  source +=
      "extern \"C\" __attribute__((visibility(\"default\"))) const altrt::cuda_host::Library altrt_cuda_library;\n";
  source += "const altrt::cuda_host::Library altrt_cuda_library = {&altrt::cuda_host::calls, altrt_programs, " +
            std::to_string(texts.size()) + "};\n";
  return source;
}

std::vector<HostKernel> compile_library(const std::vector<Text>& texts, Checks checks) {
  const Folder folder;
  const std::string in = folder.file("kernels.cc"), out = folder.file("kernels.so"), log = folder.file("log");
  std::ofstream(in) << source_of(texts);
  // Bits as a GPU's: no contraction that the text doesn't ask for. Instrumented calls end in the shim: no libraries.
  std::vector<std::string> command = {ALTRT_HOST_COMPILER,
                                      "-std=c++20",
                                      "-O1",
                                      "-ffp-contract=off",
                                      "-fno-strict-aliasing",
                                      "-fno-exceptions",
                                      "-fno-rtti",
                                      "-fvisibility=hidden",
                                      "-fPIC",
                                      "-shared",
                                      "-nostdlib",
                                      "-w",
                                      in,
                                      "-o",
                                      out};
  if (checks == Checks::accesses) command.push_back("-fsanitize=thread,alignment,bounds");
  const int status = exit_status_of(command, log);
  if (status < 0) throw Error(ErrorCode::unavailable, "can't run " ALTRT_HOST_COMPILER);
  if (status != 0) {
    throw Error(ErrorCode::unsupported, texts[0].entry + ": the host's compiler says:\n" + read_text(log));
  }
  void* handle = dlopen(out.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) throw Error(ErrorCode::unavailable, std::string("can't open compiled kernels: ") + dlerror());
  const std::shared_ptr<const void> library(handle, [](const void* h) { dlclose(const_cast<void*>(h)); });
  const auto* found = static_cast<const Library*>(dlsym(handle, "altrt_cuda_library"));
  if (!found || found->count != static_cast<int>(texts.size())) throw Error(ErrorCode::internal, "no kernels compiled");
  *found->calls = machine_calls();
  std::vector<HostKernel> kernels;
  for (int i = 0; i < found->count; ++i) kernels.emplace_back(library, found->programs[i]);
  return kernels;
}

}  // namespace

RunCounts HostKernel::run(std::span<void* const> arguments, const Run& run) const {
  if (static_cast<int>(arguments.size()) != parameters()) {
    throw Error(ErrorCode::internal, std::string(program_->entry) + " has " + std::to_string(parameters()) +
                                         " parameters, not " + std::to_string(arguments.size()));
  }
  std::vector<void*> addresses;
  for (void* const& a : arguments) addresses.push_back(const_cast<void**>(&a));
  return launch(addresses.data(), run);
}

const std::string& compiler_trouble() {
  static const std::string trouble = [] {
    try {
      compile_on_host("extern \"C\" __global__ void nothing(float* x) { x[threadIdx.x] = 0; }", "nothing");
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  }();
  return trouble;
}

std::vector<HostKernel> compile_on_host(const std::vector<Text>& texts, Checks checks) {
  using Key = std::tuple<std::string, std::string, Checks>;
  static std::mutex mutex;
  static auto& kept = *new std::map<Key, HostKernel>;
  const auto key_of = [&](const Text& t) { return Key(t.text, t.entry, checks); };
  std::map<Key, HostKernel> found;
  std::map<Key, Text> missing;
  {
    const std::lock_guard lock(mutex);
    if (kept.size() > kKept) kept.clear();
    for (const Text& t : texts) {
      const auto k = kept.find(key_of(t));
      if (k == kept.end()) {
        missing.emplace(key_of(t), t);
      } else {
        found.insert(*k);
      }
    }
  }
  if (!missing.empty()) {
    std::vector<Text> list;
    for (const auto& [key, text] : missing) list.push_back(text);
    const std::vector<HostKernel> kernels = compile_library(list, checks);
    for (size_t i = 0; i < list.size(); ++i) found.emplace(key_of(list[i]), kernels[i]);
    const std::lock_guard lock(mutex);
    kept.insert(found.begin(), found.end());
  }
  std::vector<HostKernel> kernels;
  for (const Text& t : texts) kernels.push_back(found.at(key_of(t)));
  return kernels;
}

HostKernel compile_on_host(const std::string& text, const std::string& entry, Checks checks) {
  return compile_on_host(std::vector<Text>{{text, entry}}, checks)[0];
}

}  // namespace altrt::cuda_host
