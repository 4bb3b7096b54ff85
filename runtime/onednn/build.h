// From a recognised group to primitives.
#pragma once

#include <memory>

#include "jit/layout/layout.h"
#include "runtime/onednn/formats.h"
#include "runtime/onednn/kernel.h"
#include "runtime/onednn/match.h"

namespace altrt::onednn {

/// How oneDNN computes a group: the layouts of its tensors, and the tasks.
struct Built {
  std::vector<Primitive> primitives;
  std::vector<Task> tasks;
  jit::Layout data, weights, output;  // the residual lies like the output, the bias plain
};

/// The group cut into at most `parts` tasks (a multiple of it for several images). Error(unsupported) where oneDNN has
/// only its reference code for it, wants padded or unknown formats, or would have to cut inside a block.
Built build(const Match& match, int parts, const dnnl::engine& engine);

// --- parts of build() ---
Built build_convolution(const Match& match, int parts, const dnnl::engine& engine);
Built build_product(const Match& match, int parts, const dnnl::engine& engine);

/// Ends of `parts` pieces of about the same size of [0, extent), each a multiple of `unit` but for the last.
std::vector<int64_t> cut(int64_t extent, int64_t unit, int64_t parts);

/// Makes primitives with the group's epilogue: first with the residual as a binary operation, then copied and added.
class WithEpilogue {
 public:
  explicit WithEpilogue(const Match& match) : match_(match) {}

  bool has_bias() const;
  /// `make(attributes)` returns a primitive descriptor for the bias and the destination.
  template <typename Descriptor, typename Make>
  Primitive make(const dnnl::memory::desc& bias, const dnnl::memory::desc& destination, Make make) const;

 private:
  enum class Residual : uint8_t { binary, sum };
  dnnl::primitive_attr attributes(Residual form, const dnnl::memory::desc& destination, Primitive& primitive) const;
  bool has_residual() const;

  const Match& match_;
};

[[noreturn]] void refuse(const std::string& reason);
/// Whether an implementation is oneDNN's slow reference code.
bool is_reference(const char* implementation);

template <typename Descriptor, typename Make>
Primitive WithEpilogue::make(const dnnl::memory::desc& bias, const dnnl::memory::desc& destination, Make make) const {
  for (const Residual form : {Residual::binary, Residual::sum}) {
    Primitive primitive;
    try {
      const Descriptor descriptor = make(attributes(form, destination, primitive));
      if (is_reference(descriptor.impl_info_str())) continue;
      primitive.descs[kSource] = descriptor.src_desc();
      primitive.descs[kWeights] = descriptor.weights_desc();
      primitive.descs[kDestination] = descriptor.dst_desc();
      primitive.descs[kBias] = bias;
      if (has_residual()) primitive.descs[kResidual] = descriptor.dst_desc();
      primitive.scratchpad = descriptor.scratchpad_desc();
      primitive.primitive = dnnl::primitive(descriptor.get());
      return primitive;
    } catch (const dnnl::error&) {
      // This form does not exist for these shapes.
    }
    if (!has_residual()) break;
  }
  refuse("only reference code");
}

}  // namespace altrt::onednn
