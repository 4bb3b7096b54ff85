// A host program that holds another LLVM and, with HOST_PROTOBUF, protobuf with ONNX's messages, and uses libaltrt:
// linked in, or with HOST_PLUGIN opened at run time. The answers must be the bits that a program with libaltrt alone
// gets.
//
//   host write MODEL ANSWER                                              writes the model and what libaltrt makes of it
//   host compare MODEL ANSWER first|last [LIBALTRT PLUGIN local|global]  whether libaltrt is used before the others
#include <dlfcn.h>

#include <cfenv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>

#include "../../session/process_state.h"
#include "guest.h"
#include "others.h"

namespace {

void require(bool right, const std::string& otherwise) {
  if (!right) throw std::runtime_error(otherwise);
}

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  require(file.good(), "cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Guest {
  decltype(&guest_run) run = nullptr;
  decltype(&guest_tune) tune = nullptr;
  void *library = nullptr, *plugin = nullptr;  // with HOST_PLUGIN
};

#ifdef HOST_PLUGIN
void* open_library(const char* path, bool global) {
  void* library = dlopen(path, RTLD_NOW | (global ? RTLD_GLOBAL : RTLD_LOCAL));
  require(library, library ? "" : dlerror());
  return library;
}

// libaltrt itself first, with the flag that is to be tested, then the plug-in that needs it.
Guest open_guest(char** arguments) {
  const bool global = arguments[2] == std::string("global");
  void* library = open_library(arguments[0], global);
  void* plugin = open_library(arguments[1], global);
  Guest guest{reinterpret_cast<decltype(&guest_run)>(dlsym(plugin, "guest_run")),
              reinterpret_cast<decltype(&guest_tune)>(dlsym(plugin, "guest_tune")), library, plugin};
  require(guest.run && guest.tune, "the plug-in has no guest_run");
  // Not by RTLD_DEFAULT, which would tie the plug-in to the program for good.
  void* program = dlopen(nullptr, RTLD_NOW);
  require(global == (dlsym(program, "guest_run") != nullptr), "the flag of dlopen had no effect");
  dlclose(program);
  return guest;
}
// Nothing of libaltrt may be left, and the host's libraries go on.
void close_guest(const Guest& guest, const char* library) {
  require(dlclose(guest.plugin) == 0 && dlclose(guest.library) == 0, "dlclose failed");
  require(dlopen(library, RTLD_NOW | RTLD_NOLOAD) == nullptr, "libaltrt cannot be unloaded");
}
#else
Guest open_guest(char**) { return {guest_run, guest_tune}; }

void write(const char* model, const char* answer) {
  require(guest_save(model) == 0, "no model");
  const std::string bytes = read(model);
  float outputs[kGuestOutputs];
  require(guest_run(bytes.data(), bytes.size(), outputs) == 0, "no answer");
  std::ofstream(answer, std::ios::binary).write(reinterpret_cast<const char*>(outputs), sizeof outputs);
}
#endif

void use_others(std::string& model) {
#ifdef HOST_PROTOBUF
  model = through_protobuf(model);
#endif
#ifdef HOST_LLVM
  const std::string wrong = use_llvm();
  require(wrong.empty(), "the host's LLVM: " + wrong);
#endif
}

void expect_answer(const Guest& guest, const std::string& model, const std::string& wanted) {
  float outputs[kGuestOutputs];
  require(guest.run(model.data(), model.size(), outputs) == 0, "libaltrt failed");
  require(wanted.size() == sizeof outputs && std::memcmp(wanted.data(), outputs, sizeof outputs) == 0,
          "the answer has other bits than that of libaltrt alone");
}

void expect_close(const float* outputs, const std::string& wanted) {
  float reference[kGuestOutputs];
  std::memcpy(reference, wanted.data(), sizeof reference);
  for (int i = 0; i < kGuestOutputs; ++i) {
    require(std::abs(outputs[i] - reference[i]) < 1e-5f, "the tuned answer is wrong");
  }
}

void compare(std::string model, const std::string& wanted, bool guest_first, char** plugin) {
  if (!guest_first) use_others(model);
  std::feraiseexcept(FE_INEXACT);  // by the guest's own sines at the latest
  const altrt::ProcessState before;
  altrt::CapturedOutput output;
  Guest guest = open_guest(plugin);
  expect_answer(guest, model, wanted);
  float tuned[kGuestOutputs];
  require(guest.tune(model.data(), model.size(), tuned) == 0, "libaltrt failed to tune");
  require(output.stop() == 0, "libaltrt printed something");
  const std::string difference = altrt::ProcessState().difference_from(before);
  require(difference.empty(), "libaltrt changed the process: " + difference);
  expect_close(tuned, wanted);
  use_others(model);
  expect_answer(guest, model, wanted);

  // Both compilers at once.
  std::exception_ptr failure;
  std::thread other([&] {
    try {
      std::string own = model;
      for (int i = 0; i < 20; ++i) use_others(own);
    } catch (...) {
      failure = std::current_exception();
    }
  });
  try {
    for (int i = 0; i < 3; ++i) expect_answer(guest, model, wanted);
  } catch (...) {
    other.join();
    throw;
  }
  other.join();
  if (failure) std::rethrow_exception(failure);

#ifdef HOST_PLUGIN
  for (int i = 0; i < 2; ++i) {
    close_guest(guest, plugin[0]);
    use_others(model);
    guest = open_guest(plugin);
    expect_answer(guest, model, wanted);
  }
#endif
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  try {
#ifndef HOST_PLUGIN
    if (mode == "write" && argc == 4) {
      write(argv[2], argv[3]);
      return 0;
    }
    constexpr int arguments = 5;
#else
    constexpr int arguments = 8;
#endif
    if (mode != "compare" || argc != arguments) return 64;
#ifdef HOST_LLVM
    std::printf("with %s\n", llvm_file().c_str());
#endif
    compare(read(argv[2]), read(argv[3]), argv[4] == std::string("first"), argv + 5);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "host: %s\n", error.what());
    return 1;
  }
}
