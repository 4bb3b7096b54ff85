// Layouts of convolutions and pools by ALT's template (alt.md 5): output [N, H/h, W/w, C/o, h, w, o], input as it is or
// unfolded to [N, H/h, W/w, C/i, B, B, i]. Tiles as large as the image and blocks as large as the channels are among
// them: [N, C/o, H, W, o] and channels last. Beside them plain images, [N, C, H, W]: those that dense convolutions
// read, and input and output of all but transposed convolutions, whose vectors then run along the rows.
#include <algorithm>

#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

using jit::Layout;
using jit::Layouts;

class ImageLayouts final : public LayoutSpace {
 public:
  ImageLayouts(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target,
               const SpaceOptions& options)
      : LayoutSpace(c, initial, target, options),
        output_(same(c, c.stages[static_cast<size_t>(c.anchor.stage)].outputs[0])),
        data_(same(c, c.anchor.data)) {
    if (output_ < 0 || changed().tensors[static_cast<size_t>(output_)].role != jit::Role::output) return;
    add_store_at();
    const bool has_data = data_ >= 0 && changed().tensors[static_cast<size_t>(data_)].role == jit::Role::input;
    const bool may_be_plain = jit::is_direct(initial.algorithm) && has_data;
    const bool has_rows = may_be_plain && c.anchor.kind != jit::AnchorKind::conv_transpose;
    add_block("output_block", output_, has_rows);
    if (has_data && !shares_channels()) {
      may_read_plain_ = may_be_plain && jit::is_dense_conv(c) && c.anchor.groups == 1;
      add_block("input_block", data_, may_read_plain_ || has_rows);
    }
    if (!jit::is_direct(initial.algorithm)) return;  // transforms have tiles of their own
    const std::vector<jit::Extent>& out = shape(output_);
    if (out.size() >= 4) add_tiles("height_tile", out[out.size() - 2].bound);
    add_tiles("width_tile", out.back().bound);
    if (!has_data) return;
    add_knob("unfold", {0, 1}, 0);
    add_knob("pad", {0, 1, 2}, 0);
  }

  bool plausible(const Point& point) const override {
    if (!has("output_block")) return true;
    const bool tiled = is_tiled(point);
    const bool plain_input = reads_plain(point), plain_output = value(point, "output_block") == kPlain;
    if (plain_output && shape(output_)[1].bound > 1 && (!plain_input || tiled)) return false;
    if (plain_input && shape(data_)[1].bound > 1 && !plain_output && !may_read_plain_) return false;
    if (value(point, "unfold", 0) != 0 && (!tiled || plain_input)) return false;
    return !(value(point, "unfold", 0) != 0 && value(point, "pad", 0) != 0);
  }

  std::vector<Point> seeds() const override {
    std::vector<Point> points;
    const int64_t channels = shape(output_)[1].bound;
    for (const Values& values :
         {Values{{"output_block", kPlain}, {"input_block", kPlain}},
          Values{{"output_block", channels}, {"input_block", shape(data_ < 0 ? output_ : data_)[1].bound}},
          Values{{"input_block", kPlain}}, Values{{"output_block", 32}}, Values{{"output_block", 8}},
          Values{{"pad", 1}}, Values{{"store_at", 1}}, Values{{"height_tile", 7}, {"width_tile", 14}, {"unfold", 1}},
          Values{{"height_tile", 4}}}) {
      const Point point = nearest(values);
      if (point != start() && plausible(point)) points.push_back(point);
    }
    return points;
  }

 private:
  static constexpr int64_t kPlain = 1;  // of output_block, input_block: images one after the other

  /// Images one after the other, with borders or not.
  static bool is_plain(const Layout& layout) {
    return std::all_of(layout.steps.begin(), layout.steps.end(),
                       [](const jit::LayoutStep& step) { return step.kind == jit::LayoutKind::pad; });
  }
  /// A tensor of the group in what the algorithm has made of it.
  int same(const jit::Computation& c, int tensor) const {
    return tensor < 0 ? -1 : changed().find_tensor(c.tensors[static_cast<size_t>(tensor)].name);
  }
  const Layout& now(int tensor) const { return jit::layout_of(changed(), tensor, initial().layouts); }
  const std::vector<jit::Extent>& shape(int tensor) const {
    return changed().tensors[static_cast<size_t>(tensor)].shape;
  }
  // Depthwise convolutions and pools read the channels that they write.
  bool shares_channels() const {
    const jit::Anchor& anchor = changed().anchor;
    return anchor.kind == jit::AnchorKind::pool || jit::is_depthwise(changed());
  }

  // All channels count as a block: channels last.
  int64_t block_of(int tensor) const {
    const int64_t block = jit::channel_block(now(tensor));
    return block > 1 ? block : shape(tensor)[1].bound;
  }

  void add_block(const std::string& name, int tensor, bool may_be_plain) {
    std::vector<int64_t> values = blocks(tensor);
    if (may_be_plain) values.push_back(kPlain);
    const int64_t start = may_be_plain && is_plain(now(tensor)) ? kPlain : block_of(tensor);
    add_tile(name, values, start, shape(tensor)[1].bound);
  }

  bool reads_plain(const Point& point) const {
    return data_ >= 0 && value(point, has("input_block") ? "input_block" : "output_block") == kPlain;
  }

  // A single channel lies as its readers' vectors want it: along the rows where these are read so, too.
  Layout image(const Point& point, int tensor, int64_t block, const jit::Borders& borders) const {
    if (block == kPlain && reads_plain(point)) return jit::blocked(shape(tensor), kPlain, borders);
    return block < shape(tensor)[1].bound ? jit::blocked(shape(tensor), block, borders)
                                          : jit::channels_last(shape(tensor), borders);
  }

  std::vector<int64_t> blocks(int tensor) const {
    const int64_t channels = shape(tensor)[1].bound, group = channels / std::max<int64_t>(1, changed().anchor.groups);
    const bool grouped = changed().anchor.groups > 1 && !shares_channels();
    std::vector<int64_t> values{channels};
    for (const int64_t block : {4, 8, 16, 32, 64}) {
      if (block < channels && (!grouped || group % block == 0 || block % group == 0)) values.push_back(block);
    }
    return values;
  }

  // An uncut dimension is one tile.
  void add_tiles(const std::string& name, int64_t extent) {
    std::vector<int64_t> tiles{extent};
    for (const int64_t tile : {2, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 56}) {
      if (tile < extent) tiles.push_back(tile);
    }
    add_tile(name, tiles, extent, extent);
  }

  /// By spatial dimension; 0 = uncut.
  std::vector<int64_t> tile(const Point& point) const {
    const std::vector<jit::Extent>& out = shape(output_);
    std::vector<int64_t> tile(out.size() - 2, 0);
    const auto set = [&](size_t from_end, const char* name) {
      const int64_t extent = out[out.size() - from_end].bound, chosen = value(point, name, extent);
      if (chosen < extent) tile[tile.size() - from_end] = chosen;
    };
    if (tile.size() >= 2) set(2, "height_tile");
    set(1, "width_tile");
    return tile;
  }

  bool is_tiled(const Point& point) const {
    const std::vector<int64_t> tile = this->tile(point);
    return std::any_of(tile.begin(), tile.end(), [](int64_t t) { return t > 0; });
  }

  bool is_at_start(const Point& point, const std::string& name) const {
    return !has(name) || value(point, name) == value(start(), name);
  }

  Layout output_layout(const Point& point) const {
    const int64_t channels = shape(output_)[1].bound, block = value(point, "output_block");
    if (is_tiled(point)) return jit::tiled(shape(output_), tile(point), block < channels ? block : 0);
    if (is_at_start(point, "output_block")) return now(output_);
    // What readers want round it stays.
    return image(point, output_, block, jit::borders_of(now(output_), shape(output_)));
  }

  Layout input_layout(const Point& point) const {
    const int64_t channels = shape(data_)[1].bound;
    const int64_t block = value(point, has("input_block") ? "input_block" : "output_block");
    const std::vector<int64_t> cut = tile(point);
    if (value(point, "unfold", 0) != 0) return jit::unfolded(changed(), cut, block < channels ? block : 0);
    const bool same_block = is_at_start(point, "input_block") && (has("input_block") || block == block_of(data_));
    const int64_t pad = value(point, "pad", 0);
    if (same_block && pad == 0 && !is_tiled(point)) return now(data_);
    // Vectors along the rows are masked where borders are not stored.
    const bool masked = block == kPlain && value(point, "output_block") == kPlain;
    jit::Borders borders;
    if (!jit::is_direct(initial().algorithm)) {
      borders = jit::borders_of(now(data_), shape(data_));
    } else if (!masked || pad > 0) {
      borders = jit::read_borders(changed(), cut);
    }
    // One more column, or one more line of the cache: rows that lie a power of two apart share few sets.
    if (pad > 0) {
      borders.lo.resize(shape(data_).size() - 2, 0);
      borders.hi.resize(shape(data_).size() - 2, 0);
      borders.hi.back() += pad;
    }
    return image(point, data_, block, borders);
  }

  Layouts layouts(const Point& point) const override {
    Layouts layouts = initial().layouts;
    if (!has("output_block")) return layouts;
    const Layout output = output_layout(point);
    const auto name = [&](int tensor) { return changed().tensors[static_cast<size_t>(tensor)].name; };
    const bool has_data = data_ >= 0 && changed().tensors[static_cast<size_t>(data_)].role == jit::Role::input;
    if (has_data) layouts[name(data_)] = input_layout(point);
    // What is read point by point beside the output (a residual) follows it.
    for (size_t t = 0; t < changed().tensors.size(); ++t) {
      const auto tensor = static_cast<int>(t);
      const bool beside =
          changed().tensors[t].role == jit::Role::input && tensor != data_ && shape(tensor) == shape(output_);
      if (tensor == output_ || beside) layouts[name(tensor)] = output == now(output_) ? now(tensor) : output;
    }
    return layouts;
  }

  const int output_, data_;
  bool may_read_plain_ = false;  // by vectors along the channels
};

}  // namespace

std::unique_ptr<LayoutSpace> image_layouts(const jit::Computation& c, const jit::GroupDecision& initial,
                                           const jit::Target& target, const SpaceOptions& options) {
  return std::make_unique<ImageLayouts>(c, initial, target, options);
}

}  // namespace altrt::tuner
