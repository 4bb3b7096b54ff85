// Convolutions: cut into images, or each image into groups or blocks of output channels, so that every task's operands
// are contiguous.
#include <algorithm>
#include <map>
#include <optional>

#include "runtime/onednn/build.h"

namespace altrt::onednn {
namespace {

using dnnl::memory;
using Dims = memory::dims;

int64_t product_of(const std::vector<int64_t>& extents) {
  int64_t product = 1;
  for (const int64_t extent : extents) product *= extent;
  return product;
}

Format known_format(const memory::desc& desc, const char* what) {
  const std::optional<Format> format = format_of(desc);
  if (!format) refuse(std::string("convolution: the ") + what + " would be padded or packed");
  return *format;
}

struct Formats {
  Format data, weights, output;

  bool operator==(const Formats&) const = default;
};

class Builder {
 public:
  Builder(const Match& match, const dnnl::engine& engine)
      : whole_(*match.convolution), engine_(engine), epilogue_(match) {}

  Built build(int parts) {
    // The formats that suit the whole convolution tell where it can be cut.
    make(whole_);
    const Formats formats = *formats_;
    formats_.reset();
    built_.primitives.clear();
    made_.clear();
    if (whole_.batch >= parts) {
      int64_t begin = 0;
      for (const int64_t end : cut(whole_.batch, 1, parts)) {
        add_images(begin, end);
        begin = end;
      }
    } else {
      cut_channels(formats, parts);
    }
    set_layouts();
    return std::move(built_);
  }

 private:
  int64_t in_points() const { return product_of(whole_.in); }
  int64_t out_points() const { return product_of(whole_.out); }

  void add_images(int64_t begin, int64_t end) {
    Convolution part = whole_;
    part.batch = end - begin;
    Task task;
    task.primitive = make(part);
    task.offsets[kSource] = begin * whole_.channels * in_points();
    task.offsets[kDestination] = task.offsets[kResidual] = begin * whole_.outputs * out_points();
    built_.tasks.push_back(task);
  }

  void cut_channels(const Formats& formats, int64_t parts) {
    const bool by_group = whole_.groups > 1;
    const int64_t inputs = whole_.channels / whole_.groups, outputs = whole_.outputs / whole_.groups;
    // Channels must be contiguous within an image: outermost after the image, in whole blocks.
    if (formats.output.order[1] != 1 || formats.weights.order[0] != 0 || (by_group && formats.data.order[1] != 1)) {
      parts = 1;
    }
    int64_t unit = by_group ? 1 : formats.output.block(1);
    if (by_group) {
      const auto whole_blocks = [&](int64_t groups) {
        return groups * outputs % formats.output.block(1) == 0 && groups * inputs % formats.data.block(1) == 0 &&
               groups % formats.weights.block(0) == 0;
      };
      while (unit < whole_.groups && !whole_blocks(unit)) ++unit;
    } else {
      while (unit % formats.weights.block(0) != 0) unit += formats.output.block(1);
    }
    const std::vector<int64_t> ends = cut(by_group ? whole_.groups : whole_.outputs, unit, parts);
    for (int64_t image = 0; image < whole_.batch; ++image) {
      int64_t begin = 0;
      for (const int64_t end : ends) {
        add_channels(image, begin * (by_group ? outputs : 1), end * (by_group ? outputs : 1));
        begin = end;
      }
    }
  }

  // Output channels [begin, end) of one image; whole groups if there are several.
  void add_channels(int64_t image, int64_t begin, int64_t end) {
    const int64_t inputs = whole_.channels / whole_.groups, outputs = whole_.outputs / whole_.groups;
    Convolution part = whole_;
    part.batch = 1;
    part.outputs = end - begin;
    int64_t first_channel = 0;
    if (whole_.groups > 1) {
      part.groups = part.outputs / outputs;
      part.channels = part.groups * inputs;
      first_channel = begin / outputs * inputs;
    }
    Task task;
    task.primitive = make(part);
    task.offsets[kSource] = (image * whole_.channels + first_channel) * in_points();
    task.offsets[kWeights] = begin * inputs * product_of(whole_.kernel);
    task.offsets[kBias] = begin;
    task.offsets[kDestination] = task.offsets[kResidual] = (image * whole_.outputs + begin) * out_points();
    built_.tasks.push_back(task);
  }

  // The number of the primitive for a part. All parts must agree on the formats.
  int make(const Convolution& part) {
    const std::vector<int64_t> key{part.batch, part.groups, part.outputs};
    const auto [known, is_new] = made_.emplace(key, static_cast<int>(built_.primitives.size()));
    if (!is_new) return known->second;
    built_.primitives.push_back(primitive(part));
    const Primitive& made = built_.primitives.back();
    Formats formats{known_format(made.descs[kSource], "data"), known_format(made.descs[kWeights], "weights"),
                    known_format(made.descs[kDestination], "output")};
    if (formats.data.order[0] != 0 || formats.output.order[0] != 0) refuse("convolution: images are not contiguous");
    grouped_ = made.descs[kWeights].dims().size() > made.descs[kSource].dims().size();
    if (formats_ && !(*formats_ == formats)) refuse("convolution: parts want different formats");
    formats_ = formats;
    return known->second;
  }

  Primitive primitive(const Convolution& part) const {
    const auto type = memory::data_type::f32;
    Dims source{part.batch, part.channels}, destination{part.batch, part.outputs};
    Dims weights{part.outputs, part.channels / part.groups};
    // Of several groups, even a part that is one group, so that weights keep one format.
    if (whole_.groups > 1) weights = {part.groups, part.outputs / part.groups, part.channels / part.groups};
    Dims dilates;
    for (size_t d = 0; d < part.in.size(); ++d) {
      source.push_back(part.in[d]);
      destination.push_back(part.out[d]);
      weights.push_back(part.kernel[d]);
      dilates.push_back(part.dilations[d] - 1);
    }
    memory::desc bias;
    if (epilogue_.has_bias()) bias = memory::desc({part.outputs}, type, memory::format_tag::a);
    const memory::desc source_desc(source, type, image_format(whole_.channels));
    const memory::desc weights_desc(weights, type, memory::format_tag::any);
    const memory::desc destination_desc(destination, type, image_format(whole_.outputs));
    const auto make = [&](const dnnl::primitive_attr& attributes) {
      const auto kind = dnnl::prop_kind::forward_inference;
      const auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
      return dnnl::convolution_forward::primitive_desc(engine_, kind, algorithm, source_desc, weights_desc, bias,
                                                       destination_desc, part.strides, dilates, part.pads_lo,
                                                       part.pads_hi, attributes);
#else
      const dnnl::convolution_forward::desc desc(kind, algorithm, source_desc, weights_desc, bias, destination_desc,
                                                 part.strides, dilates, part.pads_lo, part.pads_hi);
      return dnnl::convolution_forward::primitive_desc(desc, attributes, engine_);
#endif
    };
    return epilogue_.make<dnnl::convolution_forward::primitive_desc>(bias, destination_desc, make);
  }

  // Channels in blocks of the widest vector; a first layer's few channels as they are.
  memory::format_tag image_format(int64_t channels) const {
    using Tag = memory::format_tag;
    const bool wide = dnnl_get_effective_cpu_isa() >= dnnl_cpu_isa_avx512_core;
    const size_t rank = whole_.in.size();
    if (channels <= 4 && whole_.groups == 1) return rank == 1 ? Tag::ncw : rank == 2 ? Tag::nchw : Tag::ncdhw;
    if (wide) return rank == 1 ? Tag::nCw16c : rank == 2 ? Tag::nChw16c : Tag::nCdhw16c;
    return rank == 1 ? Tag::nCw8c : rank == 2 ? Tag::nChw8c : Tag::nCdhw8c;
  }

  void set_layouts() {
    built_.data = layout_of(formats_->data);
    built_.output = layout_of(formats_->output);
    built_.weights = grouped_ ? grouped_layout_of(formats_->weights, whole_.groups, whole_.outputs / whole_.groups)
                              : layout_of(formats_->weights);
  }

  const Convolution& whole_;
  const dnnl::engine& engine_;
  WithEpilogue epilogue_;
  std::map<std::vector<int64_t>, int> made_;
  std::optional<Formats> formats_;
  bool grouped_ = false;
  Built built_;
};

}  // namespace

Built build_convolution(const Match& match, int parts, const dnnl::engine& engine) {
  return Builder(match, engine).build(parts);
}

}  // namespace altrt::onednn
