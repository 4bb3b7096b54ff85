// Layouts of matrix products by ALT's template (alt.md 5): C [M/m, N/n, m, n], A [M/m, K/k, m, k], B [K/k, N/n, k, n].
// Tiles as large as the matrix are among them: row-major, where rows of A may be padded.
#include <algorithm>

#include "tuner/space/kinds.h"

namespace altrt::tuner {
namespace {

class MatmulLayouts final : public LayoutSpace {
 public:
  MatmulLayouts(const jit::Computation& c, const jit::GroupDecision& initial, const jit::Target& target,
                const SpaceOptions& options)
      : LayoutSpace(c, initial, target, options),
        stage_(changed().stages[static_cast<size_t>(changed().anchor.stage)]),
        extents_(jit::matmul_extents(changed(), stage_)),
        output_(stage_.outputs[0]),
        data_(changed().anchor.data),
        weights_(changed().anchor.weights) {
    const bool writes = tensor(output_).role == jit::Role::output;
    const bool reads = data_ >= 0 && tensor(data_).role == jit::Role::input && is_matrix(data_) &&
                       tensor(data_).shape.back().bound == extents_.k;
    add_store_at();
    if (!extents_.has_rows || extents_.m <= 1) return;
    if (writes && is_matrix(output_)) {
      const int64_t lanes = target.lanes;
      add_tile("row_tile", below({4, 6, 8, 12, 14, 16, 28, 32, 64}, extents_.m), extents_.m, extents_.m);
      add_tile("column_tile", below({lanes, 2 * lanes, 4 * lanes, 128}, extents_.n), extents_.n, extents_.n);
    }
    if (!reads) return;
    const jit::Layout& now = jit::layout_of(changed(), data_, initial.layouts);
    padding_ = now.is_plain() ? 0 : now.steps[0].hi;
    if (!(now == jit::padded_rows(tensor(data_).shape, padding_))) return;
    add_knob("row_padding", {0, 16}, padding_);
    add_tile("depth_tile", below({16, 32, 64, 128}, extents_.k), extents_.k, extents_.k);
  }

  bool plausible(const Point& point) const override {
    const bool cut =
        value(point, "row_tile", extents_.m) < extents_.m || value(point, "depth_tile", extents_.k) < extents_.k;
    return !(cut && value(point, "row_padding", 0) != 0);
  }

  std::vector<Point> seeds() const override {
    std::vector<Point> points;
    for (const Values& values :
         {Values{{"row_padding", padding_ == 0 ? 16 : 0}}, Values{{"store_at", 1}},
          Values{{"row_tile", 8}, {"depth_tile", extents_.k}, {"row_padding", 0}},
          Values{{"row_tile", 16}, {"column_tile", 32}, {"depth_tile", 64}, {"row_padding", 0}}}) {
      const Point point = nearest(values);
      if (point != start() && plausible(point)) points.push_back(point);
    }
    return points;
  }

 private:
  static std::vector<int64_t> below(std::vector<int64_t> tiles, int64_t extent) {
    std::erase_if(tiles, [&](int64_t tile) { return tile >= extent; });
    return tiles;
  }

  const jit::TensorDecl& tensor(int number) const { return changed().tensors[static_cast<size_t>(number)]; }

  // Its last two dimensions are those of the product.
  bool is_matrix(int number) const { return tensor(number).shape.size() >= 2; }

  // A tile of the whole extent is none.
  int64_t cut(const Point& point, const std::string& name, int64_t extent) const {
    const int64_t tile = value(point, name, extent);
    return tile < extent ? tile : 0;
  }

  jit::Layouts layouts(const Point& point) const override {
    jit::Layouts layouts = initial().layouts;
    const int64_t rows = cut(point, "row_tile", extents_.m), columns = cut(point, "column_tile", extents_.n);
    const int64_t depth = cut(point, "depth_tile", extents_.k);
    if (rows > 0 || columns > 0) {
      // What is read point by point beside the output follows it.
      for (size_t t = 0; t < changed().tensors.size(); ++t) {
        const jit::TensorDecl& one = changed().tensors[t];
        const bool beside = one.role == jit::Role::input && static_cast<int>(t) != data_ &&
                            static_cast<int>(t) != weights_ && one.shape == tensor(output_).shape;
        if (static_cast<int>(t) == output_ || beside) {
          layouts[one.name] = jit::tiled_matrix(one.shape, rows, columns);
        }
      }
    }
    if (!has("row_padding")) return layouts;
    const jit::TensorDecl& data = tensor(data_);
    layouts.erase(data.name);
    if (rows > 0 || depth > 0) {
      layouts[data.name] = jit::tiled_matrix(data.shape, rows, depth);
    } else if (value(point, "row_padding") > 0) {
      layouts[data.name] = jit::padded_rows(data.shape, value(point, "row_padding"));
    }
    return layouts;
  }

  const jit::Stage& stage_;
  const jit::MatmulExtents extents_;
  const int output_, data_, weights_;
  int64_t padding_ = 0;  // of the first operand's rows, at the start
};

}  // namespace

std::unique_ptr<LayoutSpace> matmul_layouts(const jit::Computation& c, const jit::GroupDecision& initial,
                                            const jit::Target& target, const SpaceOptions& options) {
  return std::make_unique<MatmulLayouts>(c, initial, target, options);
}

}  // namespace altrt::tuner
