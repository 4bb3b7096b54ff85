// The bundle: everything that turns one model on one machine into a plan without compiling.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jit/compile/compile.h"
#include "runtime/records/fingerprint.h"
#include "runtime/records/store.h"

namespace altrt::records {

struct Bundle {
  struct Group {
    int code = -1;         // number in `code`; -1 for host groups
    std::string decision;  // as text, in the names of the group's Computation; "" for host groups
  };
  /// Kernels shared by all groups that point here.
  struct Code {
    int source = 0;            // the group it was made from
    uint64_t computation = 0;  // hash of that group's Computation
    std::vector<jit::CompiledKernel> kernels;
  };

  /// Of the plan, between layouts.
  struct Conversion {
    std::string key;  // plan::Conversions'
    jit::CompiledKernel kernel;
  };

  std::vector<Group> groups;
  std::vector<Code> code;
  std::vector<Conversion> conversions;  // on a device
  uint64_t records = 0;                 // hash of the records that the decisions were taken from; 0 = none
  Spent spent;
};

struct ReadBundle {
  std::optional<Bundle> bundle;
  std::string trouble;  // why there is none; "" if there is no file
};

/// "" or what a bundle says that can't be: numbers out of range, sizes that are negative or absurd, nameless code.
std::string contradiction(const Bundle& bundle);

/// Only from a file and a folder that belong to the user and nobody else can write.
ReadBundle read_bundle(const std::string& path, const Fingerprint& fingerprint);
std::string write_bundle(const std::string& path, const Fingerprint& fingerprint, const Bundle& bundle);

/// Fingerprint of any bundle, for people; empty if it can't be read.
Fingerprint bundle_fingerprint(const std::string& path);

}  // namespace altrt::records
